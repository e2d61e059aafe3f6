-- Which of these candidates a claim takes: at most `want`, and payloads of `bytes_left` and one more. `chosen` says it of each;
-- the others list those taken, best first. Within a queue the higher priority goes first, within a line tenants go in turn. The
-- r-th of a queue has the key (r - 1 + draw) / weight, and the least keys win: shares follow the weights, and what one queue
-- leaves goes to the others.
create or replace function supaqueue_choose_candidates(
    lines job_claim_line[], candidates job_claim_candidate[], want integer, bytes_left bigint,
    out chosen boolean[], out job_ids uuid[], out task_numbers smallint[], out positions bigint[], out bytes bigint
)
language plpgsql immutable
set search_path from current
as $$
#variable_conflict use_column
begin
    select array_agg(c.is_chosen order by c.n), array_agg(c.job_id order by c.place) filter (where c.is_chosen),
        array_agg(c.task_number order by c.place) filter (where c.is_chosen),
        array_agg(c.position order by c.place) filter (where c.is_chosen), sum(c.bytes) filter (where c.is_chosen)
    into chosen, job_ids, task_numbers, positions, bytes
    from (
        select b.*, b.place <= want and b.bytes_before < bytes_left as is_chosen
        from (
            select k.*, row_number() over by_key as place, sum(k.bytes) over by_key - k.bytes as bytes_before
            from (
                select c.n, c.job_id, c.task_number, c.position, c.bytes, l.queue, (row_number() over (
                    partition by l.queue order by l.priority desc, c.rank, c.turn, c.n) - 1 + l.draw) / l.weight as key
                from unnest(candidates) with ordinality
                    as c (line, rank, turn, tenant, job_id, task_number, position, bytes, n)
                join (
                    select u.queue, u.priority, u.draw, u.weight, u.n from unnest(lines) with ordinality
                        as u (queue, weight, draw, priority, mark, walk_to, walk, ahead, left_behind, tenant, task_type,
                            next_tenant, next_type, read_all, n)
                ) as l on l.n = c.line
            ) as k
            window by_key as (order by k.key, k.queue, k.n rows unbounded preceding)
        ) as b
    ) as c;
end $$;
