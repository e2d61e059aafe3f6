-- Notes how far a look came when it sent jobs over, and one in 2,000 of those among what is to be released: drawn, since they may
-- lie there in any order. A place only bounds a walk: one too many or too few changes no answer.
create or replace function supaqueue_store_places(reached job_hand_back_places, moved uuid[]) returns void
language plpgsql
set search_path from current
as $$
begin
    if moved is null then
        return;
    end if;
    insert into job_hand_back_places (look, queue, moment, position, job_id)
    select reached.look, reached.queue, reached.moment, reached.position, reached.job_id
    union all
    select 'release_due', '', j.created_at, 0, g.job_id
    from (select u.job_id from unnest(moved) as u (job_id) where random() < 0.0005 offset 0) as g
    cross join lateral (select b.created_at from jobs b where b.job_id = g.job_id offset 0) as j
    on conflict do nothing;
end $$;
