-- Who somebody is: accounts, guests, subjects of API keys, and what lets them in.

-- Everybody with an identity. The id is a UUIDv7 made by the server.
CREATE TABLE users (
  id         uuid        PRIMARY KEY,
  name       text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 64),
  kind       text        NOT NULL CHECK (kind IN ('account', 'guest', 'subject')),
  guest      boolean     GENERATED ALWAYS AS (kind = 'guest') STORED,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Email and password of an account.
CREATE TABLE credentials (
  user_id             uuid        PRIMARY KEY REFERENCES users ON DELETE CASCADE,
  email               text        NOT NULL,
  -- argon2id, as a PHC string: the parameters travel with the hash and can be raised at a login.
  password_hash       text        NOT NULL,
  password_changed_at timestamptz NOT NULL DEFAULT now()
);
-- One account per address, however it is capitalised.
CREATE UNIQUE INDEX credentials_email ON credentials (lower(email));

-- Keys with which an application's back end signs tokens. The secret itself is kept, because
-- checking an HMAC needs it: whoever reads this table can already read everything it protects.
CREATE TABLE api_keys (
  id         text        PRIMARY KEY,
  secret     text        NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz
);

-- The names an application gives its own users, and who they are here.
CREATE TABLE subjects (
  key_id  text NOT NULL REFERENCES api_keys ON DELETE CASCADE,
  subject text NOT NULL CHECK (char_length(subject) BETWEEN 1 AND 256),
  user_id uuid NOT NULL UNIQUE REFERENCES users ON DELETE CASCADE,
  PRIMARY KEY (key_id, subject)
);

-- One login on one device: the line of refresh tokens that descend from it. A token names its
-- family and carries the server's tag, so an older genuine one needs no row to be known as reused.
-- Only hashes are kept; the predecessor's lets a lost answer be repeated for a moment.
CREATE TABLE families (
  id            uuid        PRIMARY KEY,
  user_id       uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
  -- The one room a guest was invited to.
  room_id       uuid,
  token_hash    bytea       NOT NULL CHECK (octet_length(token_hash) = 32),
  previous_hash bytea       CHECK (octet_length(previous_hash) = 32),
  rotated_at    timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  revoked_at    timestamptz
);
CREATE INDEX families_user ON families (user_id);
CREATE INDEX families_expiry ON families (expires_at);

-- Links that let somebody into a room. Only the hash of the code is kept.
CREATE TABLE invites (
  code_hash  bytea       PRIMARY KEY CHECK (octet_length(code_hash) = 32),
  -- The room; rooms belong to chat, which is migrated later, hence no reference.
  room_id    uuid        NOT NULL,
  invited_by uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  max_uses   integer     CHECK (max_uses > 0),
  uses       integer     NOT NULL DEFAULT 0,
  revoked_at timestamptz
);
CREATE INDEX invites_room ON invites (room_id);

-- Access tokens that are refused before their time: of one family or one user, issued until then.
CREATE TABLE revocations (
  -- A family's or a user's id.
  id           uuid        PRIMARY KEY,
  issued_until timestamptz NOT NULL,
  -- No token that this covers is valid after that, so the row may go.
  forget_after timestamptz NOT NULL
);
CREATE INDEX revocations_forget ON revocations (forget_after);
