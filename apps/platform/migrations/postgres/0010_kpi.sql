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
  -- One pass over both kinds of time: a join of two aggregates of unknown size is where planners go wrong.
  stretch as (
    select e.device, e.during * w as expected, null::tstzrange as reachable
    from registry.expected_time e, period where e.fleet = of_fleet and not e.excluded and e.during && w
    union all
    select r.device, null, r.during * w from registry.reachable_time r, period where r.fleet = of_fleet and r.during && w
  ),
  per_device as (
    select s.device, range_agg(s.expected) - (select impaired from platform) as expected, coalesce(range_agg(s.reachable), '{}') as reachable
    from stretch s group by s.device having count(s.expected) > 0
  )
  select p.device, p.expected, p.expected * p.reachable from per_device p where not isempty(p.expected)
$$;

-- Seconds in a set of stretches of time.
create function kpi.seconds(stretches tstzmultirange) returns float8 language sql immutable as $$
  select coalesce(sum(date_part('epoch', upper(r) - lower(r))), 0) from unnest(stretches) r
$$;
