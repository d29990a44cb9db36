-- The hardware identifiers of each listed image: the director signs an image only for a device whose hardware is among them [Uptane 5.3.2.1].
-- Lists that are here already are read again, each once.
alter table tuf.target add column hardware_ids text[] not null default '{}';

update tuf.target t set hardware_ids = listed.ids
from (
  select f.fleet, f.role, image.key as path, array(select jsonb_array_elements_text(image.value -> 'custom' -> 'hardwareIds')) as ids
  from (select distinct on (fleet, role) fleet, role, metadata from tuf.file
        where repository = 'image' and role not in ('root', 'snapshot', 'timestamp') order by fleet, role, version desc) f,
       jsonb_each(f.metadata::jsonb -> 'signed' -> 'targets') image) listed
where listed.fleet = t.fleet and listed.role = t.role and listed.path = t.path;
