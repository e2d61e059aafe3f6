-- A mark says how far a worker has read along one axis (position, run_at, lease_expires_at), so that a claim starts where the
-- last one ended and never walks the dead index entries of what was claimed before:
--
--   floor        nothing is left at or below it
--   walk         a bounded window per claim moves from floor to `at` and wraps round: finds what became visible behind `at`
--   at           the next claim reads on from here
--
-- The floor rises to settle_to once (1) every transaction that may have drawn an entry up to there has ended, and (2) a walk
-- begun after that has passed settle_to. What that walk saw but did not take (left_behind) keeps the floor below it.
-- On (1): whoever draws an entry has its transaction number before. `at` was read in an earlier call, so the number that this
-- call drew (settle_number) is above theirs all, and xmin >= settle_number says that they have ended. A snapshot's xmax would
-- not do: it is one above the highest number that has *ended*, and lower than some of those still in flight.
-- A new mark begins at the lowest visible entry, less a slack for what is in flight; once the transactions of that moment have
-- ended it looks for the lowest entry once more, and is fresh no longer. That may raise the floor to settle_to, not to `at`, which
-- has moved on since: who drew an entry between the two may be in flight still, and would be lost below the floor.
--
-- Opens a mark for one claim. `lowest` is read only where supaqueue_mark_is_new says so. `number` is null if this transaction
-- had its number before the call. All values are positions or microseconds.
create or replace function supaqueue_open_mark(
    mark job_claim_mark, lowest bigint, top bigint, slack bigint, xmin bigint, number bigint
) returns job_claim_mark
language plpgsql immutable
set search_path from current
as $$
begin
    if mark.at is null or mark.at > top then
        mark := null;
        mark.at := coalesce(lowest - 1, top);
        mark.floor := greatest(mark.at - slack, 0);
        mark.walk := mark.floor;
        mark.settled := false;
        mark.fresh := true;
    elsif mark.settle_number is null then
        mark.settle_to := mark.at;
        mark.settle_number := number;
    elsif not mark.settled and xmin >= mark.settle_number then
        if mark.fresh then
            mark.floor := least(mark.settle_to, coalesce(lowest - 1, mark.settle_to));
            mark.fresh := false;
        end if;
        mark.settled := true;
        mark.walk := mark.floor;
        mark.left_behind := null;
    end if;
    return mark;
end $$;
