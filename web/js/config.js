// The limits and windows of this server, from GET /api/config; until they are known, what a default server has.

export const config = {
  limits: { message_text_max_chars: 8000, draft_max_chars: 8000, group_name_max_chars: 50, password_min_chars: 8 },
  windows: { recall_seconds: 120, edit_seconds: 86_400 },
};

/** Ask the server once; a server that does not answer leaves the defaults. */
export async function loadConfig() {
  try {
    const { limits, windows } = await (await fetch('/api/config')).json();
    Object.assign(config.limits, limits);
    Object.assign(config.windows, windows);
  } catch {
    // The server refuses what goes beyond its limits anyway, and says so.
  }
}
