-- What a parity check found missing and somebody had brought: it counts as missing all the same.

create table job_repairs (
    job_id       uuid primary key,
    task_type    text not null,
    class        text not null check (class in ('missing_in_supabase', 'missing_in_legacy')),
    accepted_at  timestamptz not null,
    repaired_at  timestamptz not null default clock_timestamp(),
    repaired_by  text
);

comment on table job_repairs is 'supaqueue: jobs of which one system had lost its copy, until it was brought again; each goes with its job';
comment on column job_repairs.accepted_at is 'when its owner accepted it, by that system''s clock: in the comparison of that time it counts';
comment on column job_repairs.repaired_at is 'when it was brought for the last time';

create index job_repairs_accepted on job_repairs (accepted_at, job_id);

alter table job_repairs enable row level security;
