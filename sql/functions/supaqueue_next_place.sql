-- The next place that was stored behind one: what a look may walk to in one statement. Null if there is none, and no bound needed.
-- Every job that goes over leaves dead entries in the indexes of what waits and of what is to be released, and while an old
-- snapshot is held anywhere nothing can remove them. A look that asks for the next visible row would walk them all.
create or replace function supaqueue_next_place(place job_hand_back_places) returns job_hand_back_places
language sql stable
set search_path from current
as $$
    select p from job_hand_back_places p
    where p.look = (place).look
        and (p.queue, p.moment, p.position, p.job_id) > ((place).queue, (place).moment, (place).position, (place).job_id)
    order by p.queue, p.moment, p.position, p.job_id limit 1
$$;
