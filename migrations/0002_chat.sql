-- Conversations, their messages, their events, and how far everybody is.
--
-- Two counters per conversation, moved only under its row lock, so that the order of numbers is the
-- order of commits and no number is skipped: last_seq counts messages, last_event counts every
-- durable change. The lock is FOR NO KEY UPDATE, taken in the order of ids by everything that
-- appends to a log.
--
-- messages and events carry no foreign key to conversations: their only writer holds the lock on
-- that row, and a check per row would cost more than the insert.

CREATE TABLE chat_epoch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch    uuid NOT NULL DEFAULT gen_random_uuid()
);
COMMENT ON TABLE chat_epoch IS
    'Replace the value after restoring a backup: numbers may be given out a second time, and clients must reload.';
INSERT INTO chat_epoch DEFAULT VALUES;

CREATE TABLE conversations (
    id         uuid PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('direct', 'room')),
    last_seq   bigint NOT NULL DEFAULT 0,
    last_event bigint NOT NULL DEFAULT 0,
    -- How many members there are now, moved with the events that say so.
    members    integer NOT NULL DEFAULT 0,
    head_at    timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now()
-- The counters are in no index and pages keep room, so that moving them rewrites one page only.
) WITH (fillfactor = 70);

CREATE TABLE rooms (
    id         uuid PRIMARY KEY REFERENCES conversations (id) ON DELETE CASCADE,
    name       text NOT NULL,
    owner_id   uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE direct_conversations (
    id     uuid PRIMARY KEY REFERENCES conversations (id) ON DELETE CASCADE,
    user_a uuid NOT NULL,
    user_b uuid NOT NULL,
    UNIQUE (user_a, user_b),
    CHECK (user_a < user_b)
);

CREATE TABLE members (
    conversation_id uuid NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    user_id         uuid NOT NULL,
    role            text NOT NULL DEFAULT 'member' CHECK (role IN ('owner', 'member')),
    -- Where the log stood when the member came: nothing before it counts as unread.
    joined_seq      bigint NOT NULL,
    joined_event    bigint NOT NULL,
    -- The event that removed the member, who may read up to it and no further.
    removed_event   bigint,
    delivered_seq   bigint NOT NULL,
    read_seq        bigint NOT NULL,
    PRIMARY KEY (conversation_id, user_id),
    CHECK (read_seq <= delivered_seq)
) WITH (fillfactor = 70);
CREATE INDEX members_of_user ON members (user_id);

-- One number per user that moves with every change of their memberships, so that a node that
-- missed a hint finds out with one primary key probe.
CREATE TABLE chat_users (
    user_id     uuid PRIMARY KEY,
    memberships bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);

CREATE TABLE messages (
    conversation_id uuid NOT NULL,
    seq             bigint NOT NULL,
    event_seq       bigint NOT NULL,
    id              uuid NOT NULL,
    sender_id       uuid NOT NULL,
    client_id       uuid NOT NULL,
    body            text NOT NULL,
    reply_to        bigint,
    created_at      timestamptz NOT NULL,
    -- Both keys contain the conversation, by which the table may be partitioned one day.
    PRIMARY KEY (conversation_id, seq),
    UNIQUE (conversation_id, sender_id, client_id)
);

CREATE TABLE events (
    conversation_id uuid NOT NULL,
    event_seq       bigint NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('message_sent', 'member_added', 'member_removed')),
    -- The message this is about.
    seq             bigint,
    -- The member this is about.
    user_id         uuid,
    at              timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, event_seq)
);

-- One row per advance of a cursor: members say how far somebody is, this says since when.
CREATE TABLE receipt_log (
    conversation_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('delivered', 'read')),
    from_seq        bigint NOT NULL,
    to_seq          bigint NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, user_id, kind, to_seq)
);

CREATE VIEW message_status AS
SELECT m.id AS message_id, m.conversation_id, m.seq, p.user_id, s.status,
       COALESCE(l.at, m.created_at) AS updated_at
FROM messages m
JOIN members p USING (conversation_id)
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN p.read_seq >= m.seq THEN 'read'
        WHEN p.delivered_seq >= m.seq THEN 'delivered'
        ELSE 'sent'
    END AS status
) s
LEFT JOIN receipt_log l
    ON l.conversation_id = m.conversation_id AND l.user_id = p.user_id AND l.kind = s.status
   AND m.seq > l.from_seq AND m.seq <= l.to_seq
WHERE p.user_id <> m.sender_id AND m.seq > p.joined_seq AND p.removed_event IS NULL;
