-- What lets a rollout go on: each step with what it must prove, declared before and decided once, the evidence by its hash, and
-- whom to tell of a change.

create table rollout_steps (
    step_id          bigint generated always as identity primary key,
    flag_name        text not null,
    flag_version     bigint not null,
    number           integer not null check (number >= 1),
    percent          numeric not null,
    next_percent     numeric,
    began_at         timestamptz not null,
    declared_at      timestamptz not null default clock_timestamp(),
    declared_by      text not null,
    reason           text,
    mismatch_bound   double precision not null,
    seen_rate        double precision not null,
    declared_jobs    integer not null,
    canary_jobs      jsonb not null,
    holding_seconds  double precision not null,
    decided_at       timestamptz,
    decided_by       text,
    verdict          text check (verdict in ('pass', 'no_pass')),
    mismatch_rate    double precision,
    evidence         text,
    unique (flag_name, flag_version, number)
);

comment on table rollout_steps is 'supaqueue: each share that a flag stood at, and what it had to prove before the next one; kept for good';
comment on column rollout_steps.flag_version is 'of the change of the share with which it began';
comment on column rollout_steps.number is '1; a step that was begun anew counts on';
comment on column rollout_steps.mismatch_bound is 'the rate of differing jobs that it must rule out';
comment on column rollout_steps.seen_rate is 'the rate that was known when it was declared';
comment on column rollout_steps.declared_jobs is 'at how many compared jobs it is decided, once';
comment on column rollout_steps.canary_jobs is 'how many ended jobs of Supabase''s own that takes, by task type';
comment on column rollout_steps.evidence is 'the hash of what it was decided on; see rollout_evidence';

create table rollout_evidence (
    hash     text primary key check (hash ~ '^[0-9a-f]{64}$'),
    content  text not null,
    kept_at  timestamptz not null default clock_timestamp()
);

comment on table rollout_evidence is 'supaqueue: what decisions rest on, as canonical JSON, by the SHA-256 of its UTF-8; kept for good';

create table rollout_notices (
    notice_id  uuid primary key default gen_random_uuid(),
    change_id  bigint not null unique,
    due_at     timestamptz not null default clock_timestamp(),
    attempts   integer not null default 0,
    told_at    timestamptz,
    problem    text
);

comment on table rollout_notices is 'supaqueue: which changes of a flag its owners have been told of; a row comes with each change, in its transaction';
comment on column rollout_notices.due_at is 'when it is to be told, or told again';

create index rollout_notices_due on rollout_notices (due_at) where told_at is null;

alter table rollout_steps enable row level security;
alter table rollout_evidence enable row level security;
alter table rollout_notices enable row level security;
