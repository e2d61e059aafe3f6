-- Closes a mark after one claim: `reached` is how far the look ahead came, `walked` how far the look behind did, `left_behind`
-- the lowest entry that the look behind saw and did not take. See supaqueue_open_mark.
create or replace function supaqueue_close_mark(
    mark job_claim_mark, reached bigint, walked bigint, left_behind bigint
) returns job_claim_mark
language plpgsql immutable
set search_path from current
as $$
begin
    mark.at := greatest(mark.at, reached);
    mark.walk := walked;
    mark.left_behind := least(mark.left_behind, supaqueue_close_mark.left_behind);
    if mark.settled and mark.walk >= mark.settle_to then
        mark.floor := greatest(mark.floor, least(mark.settle_to, coalesce(mark.left_behind - 1, mark.settle_to)));
        mark.settle_to := null;
        mark.settle_number := null;
        mark.settled := false;
        mark.left_behind := null;
    end if;
    if mark.walk >= mark.at then
        mark.walk := mark.floor;
    end if;
    return mark;
end $$;
