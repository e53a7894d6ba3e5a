"""The look of page.py: light and dark by what the reader's system prefers."""

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --bg: #f6f7f9; --card: #fff; --ink: #1c2230; --soft: #626c7d; --line: #d5dae2;
  --edge: #aeb6c4; --grey: #8a93a3; --up: #1a8a4a; --down: #c4302b; --wait: #b57a00;
  --c0: #2563c9; --c1: #a83f9d; --c2: #0e8a86; --c3: #c2571a; --c4: #6a4bd0; --c5: #5b7d12; --c6: #b8325f;
  --c7: #12779f }
@media (prefers-color-scheme: dark) { :root { --bg: #14171d; --card: #1d222b; --ink: #e6e9ef; --soft: #98a2b3;
  --line: #343c49; --edge: #525c6c; --grey: #7d8796; --up: #4cc480; --down: #ff7068; --wait: #e6b450;
  --c0: #6ba4ff; --c1: #e387d8; --c2: #48cbc6; --c3: #f59b62; --c4: #a994ff; --c5: #a9cf55; --c6: #ff86ab;
  --c7: #5fc3ea } }
* { box-sizing: border-box }
body { margin: 0; background: var(--bg); color: var(--ink); font: 14px/1.4 system-ui, sans-serif }
header { display: flex; flex-wrap: wrap; gap: 6px 24px; align-items: center; padding: 10px 16px;
  background: var(--card); border-bottom: 1px solid var(--line) }
h1 { font-size: 16px; margin: 0 }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; margin: 0; padding: 0 }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px;
  background: var(--c) }
.theirs { color: var(--soft) }
.c0 { --c: var(--c0) } .c1 { --c: var(--c1) } .c2 { --c: var(--c2) } .c3 { --c: var(--c3) }
.c4 { --c: var(--c4) } .c5 { --c: var(--c5) } .c6 { --c: var(--c6) } .c7 { --c: var(--c7) } .grey { --c: var(--grey) }
.scroll { overflow-x: auto; padding: 4px }
svg { display: block }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink) }
svg .kind { font-size: 10.5px; fill: var(--soft); letter-spacing: .03em }
svg .owner { font-size: 10.5px; fill: var(--c); text-anchor: end }
svg .title { font-size: 13px; font-weight: 600 }
svg .row { font-size: 11.5px }
svg .note { font-size: 11px; fill: var(--soft); text-anchor: end }
.box { fill: var(--card); stroke: var(--line) }
.ours .box { stroke: var(--c) }
.theirs .box { stroke-dasharray: 4 3 }
.band { fill: var(--c) }
.edge { fill: none; stroke: var(--edge); stroke-width: 1.4 }
.dot { stroke: none }
.dot.up { fill: var(--up) } .dot.wait { fill: var(--wait) }
.dot.off { fill: none; stroke: var(--soft); stroke-width: 1.3 }
.dot.down { fill: none; stroke: var(--down); stroke-width: 2.2 }
a { color: inherit; text-decoration: none } a:hover, a:focus { text-decoration: underline }
.tables { display: flex; flex-wrap: wrap; gap: 16px; padding: 4px 18px 24px; align-items: flex-start }
table { border-collapse: collapse; background: var(--card); border: 1px solid var(--line); font-size: 13px }
th, td { text-align: left; padding: 5px 12px; border-top: 1px solid var(--line) }
th { color: var(--soft); font-weight: 600; border-top: 0 }
td:last-child { color: var(--soft) }
.bar rect { fill: var(--line) } .bar .held { fill: var(--wait) }
"""
