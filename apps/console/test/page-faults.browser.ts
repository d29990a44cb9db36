import type { Page } from "playwright-core";

/** Until no skeleton is left on the page. */
export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector('[role="status"][aria-label="Loading"]') === null);
}

/** What a page lacks for those who work by keyboard or hear it. Runs in the page. */
export async function faultsOf(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const faults: string[] = [];
    const need = (holds: boolean, fault: string) => {
      if (!holds) faults.push(fault);
    };
    need(document.querySelectorAll("h1").length === 1, `${document.querySelectorAll("h1").length} h1 instead of one`);
    need(document.querySelectorAll("main").length === 1, "no single main landmark");
    need(document.querySelector('nav[aria-label="Main"]') !== null, "no navigation landmark");
    need(document.querySelector('a[href="#main"]') !== null, "no skip link");
    need(document.title.endsWith("Tenfold"), `the title is "${document.title}"`);
    need(document.querySelector('nav [aria-current="page"]') !== null, "the navigation does not say where one is");
    const controls = "button, a[href], [role=img], input:not([type=hidden]), textarea, select, summary";
    for (const control of document.querySelectorAll(controls)) {
      const labelled =
        control instanceof HTMLInputElement || control instanceof HTMLTextAreaElement || control instanceof HTMLSelectElement;
      const labels = labelled ? [...(control.labels ?? [])].map((label) => label.textContent).join("") : "";
      const name = [
        control.getAttribute("aria-label"),
        control.getAttribute("aria-labelledby"),
        labelled ? "" : control.textContent,
        labels,
      ]
        .join("")
        .trim();
      need(name !== "", `a control without a name: ${control.outerHTML.slice(0, 120)}`);
    }
    const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
    need(new Set(ids).size === ids.length, "an id stands twice");
    for (const table of document.querySelectorAll("table:not(.u-legend)"))
      need((table.getAttribute("aria-label") ?? "") !== "", "a table without a name");
    need(
      document.documentElement.scrollWidth <= innerWidth + 1,
      `the page scrolls sideways: ${document.documentElement.scrollWidth} of ${innerWidth}`,
    );
    return faults;
  });
}

/** Goes through a page by the tab key alone, and says what of it has the focus without showing it. */
export async function unseenFocus(page: Page, tabs: number): Promise<string[]> {
  const unseen: string[] = [];
  const visited = new Set<string>();
  for (let pressed = 0; pressed < tabs; pressed += 1) {
    await page.keyboard.press("Tab");
    const { what, shown } = await page.evaluate(() => {
      const at = document.activeElement ?? document.body;
      // A field shows the focus by its border, everything else by its outline.
      const field = at.matches("input, textarea, select");
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(at);
      return {
        what: at.outerHTML.slice(0, 100),
        shown: field || (outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none",
      };
    });
    visited.add(what);
    if (!shown && !what.startsWith("<body")) unseen.push(what);
  }
  if (visited.size < tabs / 2) unseen.push(`only ${visited.size} places of ${tabs} were reached`);
  return unseen;
}
