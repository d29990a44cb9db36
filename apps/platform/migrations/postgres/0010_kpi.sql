create schema kpi;

-- The definition of device uptime (docs/kpis.md), one row a device that was expected in the period; everything else adds these up.
-- expected: active since the first contact, without the time in which the platform itself was not at work.
-- reachable: the union of all contact leases, as far as it was expected.
create function kpi.device_time(of_fleet text, from_at timestamptz, to_at timestamptz)
returns table (device text, expected tstzmultirange, reachable tstzmultirange) language sql stable as $$
  with period as (select tstzrange(from_at, to_at) as w),
  platform as (
    select coalesce(range_agg(during * w), '{}'::tstzmultirange) as impaired from monitoring.platform_impaired, period where during && w
  ),
  expected as (
    select e.device, range_agg(e.during * w) - (select impaired from platform) as time
    from registry.expected_time e, period where e.fleet = of_fleet and not e.excluded and e.during && w group by e.device
  ),
  reached as (
    select r.device, range_agg(r.during * w) as time from registry.reachable_time r, period where r.fleet = of_fleet and r.during && w group by r.device
  )
  select e.device, e.time, e.time * coalesce(r.time, '{}'::tstzmultirange)
  from expected e left join reached r using (device) where not isempty(e.time)
$$;

-- Seconds in a set of stretches of time.
create function kpi.seconds(stretches tstzmultirange) returns float8 language sql immutable as $$
  select coalesce(sum(date_part('epoch', upper(r) - lower(r))), 0) from unnest(stretches) r
$$;
