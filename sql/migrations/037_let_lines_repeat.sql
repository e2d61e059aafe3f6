-- A queue's first task of a priority may be in a transaction that stays open: no other enqueue is to wait for that. So a line may be
-- noted more than once.

alter table job_lines drop constraint job_lines_pkey;
create index job_lines_queue on job_lines (queue, priority);
