type Page<Item> = { items: Item[]; nextCursor?: string | undefined };

/** Every item of a list, page after page, up to `most`. */
export async function allItems<Item>(
  most: number,
  next: (page: { limit: number; cursor?: string }) => Promise<Page<Item>>,
): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | undefined;
  do {
    const page = await next({ limit: Math.min(1_000, most - items.length), ...(cursor === undefined ? {} : { cursor }) });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined && items.length < most);
  return items;
}
