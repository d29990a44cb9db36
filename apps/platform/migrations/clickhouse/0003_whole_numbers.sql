--! done when: SELECT count() AS n FROM system.columns WHERE database = 'tenfold' AND table = 'point' AND name = 'value' AND default_kind = 'ALIAS'
-- Nearly all measurements are decimals of a few places, and as binary floats they look like noise. As whole numbers they take a third of the bytes
-- (docs/decisions/0039-values-as-whole-numbers.md). What was stored before stays as it is; `value` reads the same from both.

ALTER TABLE tenfold.point RENAME COLUMN IF EXISTS value TO float;

-- value = digits / 10^places; 255 places say that the value stands in `float`.
ALTER TABLE tenfold.point ADD COLUMN IF NOT EXISTS digits Int64 CODEC(GCD, Delta, T64('bit'), ZSTD(1)) AFTER float;

ALTER TABLE tenfold.point ADD COLUMN IF NOT EXISTS places UInt8 DEFAULT 255 CODEC(ZSTD(1)) AFTER digits;

-- Level 3 finds the shortest code for small whole numbers that have no pattern; transposing their bits first hides them from it.
ALTER TABLE tenfold.point MODIFY COLUMN delay_ms Int64 CODEC(ZSTD(3));

-- The last one, so that `value` is renamed once.
ALTER TABLE tenfold.point ADD COLUMN IF NOT EXISTS value Float64 ALIAS if(places = 255, float, digits / intExp10(places));
