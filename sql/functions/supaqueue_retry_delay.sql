-- How long the n-th retry waits (n from 1): exponential backoff with a cap and full jitter, as in "Exponential Backoff And
-- Jitter" (M. Brooker, AWS Architecture Blog, 2015): a random part of min(cap, base * factor ^ (n - 1)).
create or replace function supaqueue_retry_delay(
    base interval, factor real, cap interval, jitter boolean, n integer
) returns interval
language sql volatile
set search_path from current
return case when base <= interval '0' then interval '0' else make_interval(secs =>
    -- By logarithms, since the power soon exceeds what a number can hold; e ^ 30 seconds is beyond any cap.
    least(extract(epoch from cap)::double precision,
        exp(least(ln(extract(epoch from base)::double precision) + (n - 1) * ln(factor::double precision), 30)))
    * case when jitter then random() else 1 end) end;
