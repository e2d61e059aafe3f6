-- A mark says how far a worker has read along one axis (position, run_at, lease_expires_at), so that a claim starts where the
-- last one ended and never walks the dead index entries of what was claimed before:
--
--   floor        nothing is left at or below it
--   walk         a bounded window per claim moves from floor to `at` and wraps round: finds what became visible behind `at`
--   at           the next claim reads on from here
--
-- The floor rises to settle_to once (1) every transaction that was in flight when `at` stood there has ended
-- (xmin >= settle_xmax; whoever draws a position has its transaction number before), and (2) a walk begun after that has
-- passed settle_to. What that walk saw but did not take (left_behind) keeps the floor below it.
-- A new mark begins at the lowest visible entry, less a slack for what is in flight; once the transactions of that moment have
-- ended (fresh_xmax) it looks for the lowest entry once more.
--
-- Opens a mark for one claim. `lowest` is read only where supaqueue_mark_is_new says so. All values are positions or microseconds.
create or replace function supaqueue_open_mark(
    mark job_claim_mark, lowest bigint, top bigint, slack bigint, xmin bigint, xmax bigint
) returns job_claim_mark
language plpgsql immutable
set search_path from current
as $$
begin
    if mark.at is null then
        mark.at := coalesce(lowest - 1, top);
        mark.floor := greatest(mark.at - slack, 0);
        mark.walk := mark.floor;
        mark.settle_to := mark.at;
        mark.settle_xmax := xmax;
        mark.settled := false;
        mark.left_behind := null;
        mark.fresh_xmax := xmax;
    elsif xmin >= mark.fresh_xmax then
        mark.floor := least(mark.at, coalesce(lowest - 1, mark.at));
        mark.walk := mark.floor;
        mark.fresh_xmax := null;
    end if;
    if not mark.settled and mark.fresh_xmax is null and xmin >= mark.settle_xmax then
        mark.settled := true;
        mark.walk := mark.floor;
        mark.left_behind := null;
    end if;
    return mark;
end $$;
