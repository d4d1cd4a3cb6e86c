/** Three seats around a table, one of them free: for rooms nobody has entered yet. */
export function TableArt() {
  return (
    <svg viewBox="0 0 200 132" aria-hidden="true" className="h-32 w-auto">
      <ellipse cx="100" cy="112" rx="84" ry="13" className="fill-sunken" />
      <g className="avatar-0">
        <circle cx="52" cy="52" r="21" className="fill-(--avatar)" />
        <path d="M20 106c0-20 14-32 32-32s32 12 32 32z" className="fill-(--avatar) opacity-85" />
      </g>
      <g className="avatar-4">
        <circle cx="148" cy="52" r="21" className="fill-(--avatar)" />
        <path d="M116 106c0-20 14-32 32-32s32 12 32 32z" className="fill-(--avatar) opacity-85" />
      </g>
      <circle
        cx="100"
        cy="58"
        r="21"
        className="fill-surface stroke-line-strong"
        strokeWidth="2"
        strokeDasharray="5 5"
      />
      <path
        d="M68 112c0-20 14-32 32-32s32 12 32 32"
        className="fill-surface stroke-line-strong"
        strokeWidth="2"
        strokeDasharray="5 5"
      />
      <path
        d="M100 50v16m-8-8h16"
        className="stroke-accent"
        strokeWidth="3"
        strokeLinecap="round"
      />
    </svg>
  );
}

/** Two speech bubbles, for conversations without a word. */
export function BubblesArt() {
  return (
    <svg viewBox="0 0 200 120" aria-hidden="true" className="h-28 w-auto">
      <path
        d="M40 18h78a16 16 0 0 1 16 16v22a16 16 0 0 1-16 16H66L46 88V72h-6a16 16 0 0 1-16-16V34a16 16 0 0 1 16-16z"
        className="fill-sunken"
      />
      <rect x="42" y="36" width="66" height="6" rx="3" className="fill-line-strong opacity-50" />
      <rect x="42" y="50" width="42" height="6" rx="3" className="fill-line-strong opacity-50" />
      <path
        d="M96 50h64a16 16 0 0 1 16 16v18a16 16 0 0 1-16 16h-4v14l-18-14H96a16 16 0 0 1-16-16V66a16 16 0 0 1 16-16z"
        className="fill-accent"
      />
      <g className="fill-accent-ink">
        <circle cx="112" cy="75" r="4.5" />
        <circle cx="128" cy="75" r="4.5" />
        <circle cx="144" cy="75" r="4.5" />
      </g>
    </svg>
  );
}
