"""The guestbook page, as text. Whatever visitors wrote is escaped."""

import time
from html import escape

STYLE = """
  :root { color-scheme: light dark; --line: #8884; --soft: #8889; --accent: #2a7de1; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem; }
  h1 { font-size: 1.8rem; margin: 0 0 .25rem; }
  .banner { color: var(--accent); margin: 0 0 1.5rem; }
  form { display: grid; gap: .5rem; margin: 1.5rem 0 2rem; }
  input, textarea, button { font: inherit; padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .5rem;
    background: transparent; color: inherit; }
  button { background: var(--accent); color: white; border: 0; justify-self: start; cursor: pointer; }
  ol { list-style: none; padding: 0; margin: 0; }
  li { padding: .75rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
  .by, footer { color: var(--soft); font-size: .85rem; }
  .trouble { border: 1px solid #d33; border-radius: .5rem; padding: .75rem; }
  footer { margin-top: 2rem; padding-top: .75rem; border-top: 1px solid var(--line); }
"""


def page(title, banner, entries, trouble, me):
    """``entries`` newest first; ``trouble`` is empty or why there are none; ``me`` is the serving instance."""
    listed = "\n".join(entry_line(entry) for entry in entries)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>
<style>{STYLE}</style></head>
<body>
<h1>{escape(title)}</h1>
{f'<p class="banner">{escape(banner)}</p>' if banner else ""}
{f'<p class="trouble">{escape(trouble)}</p>' if trouble else ""}
<form method="post" action="/">
  <input name="name" placeholder="Your name" maxlength="80" required>
  <textarea name="text" placeholder="What would you like to say?" maxlength="2000" rows="3" required></textarea>
  <button>Sign the book</button>
</form>
<ol>
{listed}
</ol>
<footer>{len(entries)} {"entry" if len(entries) == 1 else "entries"} · served by
<b>{escape(me["instance"])}</b> in {escape(me["az"])} at {escape(me["ip"])}</footer>
</body>
</html>
"""


def entry_line(entry):
    at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(entry["at"]))
    return f'<li>{escape(entry["text"])}<div class="by">{escape(entry["name"])} · {at} UTC</div></li>'
