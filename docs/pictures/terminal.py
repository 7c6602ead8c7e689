#!/usr/bin/env python3
"""Draws the recording of a run as a terminal window, light and dark: run.txt -> run-light.svg, run-dark.svg.

    python3 docs/pictures/terminal.py DIRECTORY

The recording is what docs/pictures/record wrote. rich lays the text out and writes the SVG.
"""

import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

# Background, text, dimmed text, prompt and verdict.
THEMES = {
    "light": ((246, 248, 250), (31, 35, 40), (89, 99, 110), (9, 105, 218), (26, 127, 55)),
    "dark": ((13, 17, 23), (230, 237, 243), (145, 152, 161), (68, 147, 248), (63, 185, 80)),
}

# rich's own format loads a web font, which a browser does not do inside <img>.
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>Output of kpatch-build</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
"""


def colour(line: str) -> Text:
    """The tool prints no colours; the picture marks the command, the notes and the verdict."""
    text = Text(line)
    if line.startswith("$ "):
        text.stylize("blue", 0, 1)
        text.stylize("bold", 2)
    elif "  note: " in line:
        text.stylize("bright_black")
    elif line.startswith("verdict: "):
        text.stylize("bold green", len("verdict: "))
    return text


def draw(lines: list[str], name: str) -> str:
    background, foreground, dimmed, prompt, verdict = THEMES[name]
    normal = [background, foreground, verdict, foreground, prompt, foreground, foreground, foreground]
    theme = TerminalTheme(background, foreground, normal, [dimmed, *normal[1:]])
    console = Console(record=True, width=max(map(len, lines)) + 1, file=open("/dev/null", "w"), force_terminal=True)
    for line in lines:
        console.print(colour(line), no_wrap=True, overflow="ignore", crop=False)
    svg = console.export_svg(title="", theme=theme, code_format=FORMAT, unique_id=f"run-{name}")
    return "\n".join(row.rstrip() for row in svg.splitlines() if row.strip()) + "\n"


def main() -> None:
    images = Path(sys.argv[1])
    lines = [line for line in (images / "run.txt").read_text().splitlines() if not line.startswith("# ")]
    for name in THEMES:
        (images / f"run-{name}.svg").write_text(draw(lines, name))


main()
