-- Jobs of several tasks: who waits for whom, and what a failure means for the others. No table of its own: a task knows the numbers
-- of those directly before and behind it. docs/decisions/012-graphs.md says why.

alter table jobs
    add column on_failure text check (on_failure in ('fail', 'skip', 'continue')),
    add column stopped boolean not null default false;

comment on column jobs.on_failure is 'what becomes of the other tasks if one ends without having completed; null: the job has one task';
comment on column jobs.stopped is 'a task ended so under on_failure = fail: what waited is cancelled, what runs is asked to stop';

alter table job_tasks
    add column task_name text check (length(task_name) between 1 and 200),
    add column waits_for integer not null default 0 check (waits_for >= 0),
    add column runs_after smallint[],
    add column runs_before smallint[],
    add column skipped boolean not null default false;

comment on column job_tasks.task_name is 'its name in its job, if that was made of several tasks';
comment on column job_tasks.waits_for is 'how many of the tasks directly before it have not let it go on; blocked while there are any';
comment on column job_tasks.runs_after is 'numbers of the tasks directly before it, null if there are none: their results are handed to it';
comment on column job_tasks.runs_before is 'numbers of the tasks that wait for it, null if there are none: then its result is the job''s';
comment on column job_tasks.skipped is 'cancelled because another task of its job ended without having completed; a replay of that one opens it again';
