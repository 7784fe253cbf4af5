// The limits and time windows of this server, from GET /api/config; until they are known, the default values.

export const config = {
  limits: { message_text_max_chars: 8000, draft_max_chars: 8000, group_name_max_chars: 50, password_min_chars: 8 },
  windows: { recall_seconds: 120, edit_seconds: 86_400 },
};

/** Ask the server once; keep the defaults if it does not answer. */
export async function loadConfig() {
  try {
    const { limits, windows } = await (await fetch('/api/config')).json();
    Object.assign(config.limits, limits);
    Object.assign(config.windows, windows);
  } catch {
    // The server enforces its limits anyway and reports violations.
  }
}
