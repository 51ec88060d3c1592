export interface Clock {
  /** `YYYY-MM-DD HH:MM:SS` in UTC, as the database has it; `plusDays` later. */
  now: (plusDays?: number) => string;
}

export function createClock(fixed: number | null): Clock {
  return {
    now: (plusDays = 0) =>
      new Date((fixed ?? Date.now()) + plusDays * 86_400_000)
        .toISOString()
        .slice(0, 19)
        .replace("T", " "),
  };
}
