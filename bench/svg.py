"""Small multiples of step lines as an SVG, by hand: the bench needs the standard library only."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 420, 170
LEFT, TOP, GAP_X, GAP_Y = 56, 64, 70, 62
COLOURS = ("#0072b2", "#e69f00", "#999999")  # told apart without red and green (Okabe and Ito)


@dataclass(frozen=True)
class Panel:
    """One chart: a value per second for each line, and a period that is shaded."""

    title: str
    lines: Sequence[Sequence[float]]
    shaded: tuple[float, float]


def chart(title: str, names: Sequence[str], rows: Sequence[Sequence[Panel]]) -> str:
    """The panels in rows, with one legend; every panel of a row has the same scale."""
    width = LEFT + max(len(row) for row in rows) * (WIDTH + GAP_X)
    height = TOP + len(rows) * (HEIGHT + GAP_Y)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
        ' font-size="12" fill="#333">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
    ]
    for index, name in enumerate(names):
        x = LEFT + index * 150
        parts.append(f'<path d="M{x} 34h24" stroke="{COLOURS[index]}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 30}" y="38">{escape(name)}</text>')
    for at, row in enumerate(rows):
        top = max(1.0, *(value for panel in row for line in panel.lines for value in line))
        for column, panel in enumerate(row):
            x, y = LEFT + column * (WIDTH + GAP_X), TOP + at * (HEIGHT + GAP_Y)
            parts.append(f'<g transform="translate({x} {y})">{drawn(panel, top)}</g>')
    return "\n".join([*parts, "</svg>", ""])


def drawn(panel: Panel, top: float) -> str:
    """The panel in a box at the origin; `top` is the value of the box's upper edge."""
    seconds = max(len(line) for line in panel.lines)
    across, up = WIDTH / seconds, HEIGHT / top
    begin, end = panel.shaded
    parts = [
        f'<text y="-8">{escape(panel.title)}</text>',
        f'<path d="M{begin * across:.1f} 0V{HEIGHT}H{end * across:.1f}V0" fill="#f3e9e9"/>',
        f'<path d="M0 0V{HEIGHT}H{WIDTH}" fill="none" stroke="#333"/>',
    ]
    for value in ticks(top):
        y = HEIGHT - value * up
        parts.append(f'<path d="M-4 {y:.1f}h4" stroke="#333"/>')
        parts.append(f'<text x="-8" y="{y + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
    parts += [
        f'<text x="{second * across:.1f}" y="{HEIGHT + 16}" text-anchor="middle">{second} s</text>'
        for second in range(0, seconds + 1, 20)
    ]
    for line, colour in reversed(list(zip(panel.lines, COLOURS, strict=False))):  # the first on top
        steps = "".join(f"V{HEIGHT - value * up:.1f}h{across:.2f}" for value in line)
        parts.append(f'<path d="M0 {HEIGHT}{steps}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return "".join(parts)


def ticks(top: float) -> list[float]:
    """Round values from 0 up to `top`, two to six of them."""
    step = 1.0
    for factor in (2, 2.5, 2) * 20:
        if top / step <= 5:
            break
        step *= factor
    return [index * step for index in range(int(top / step) + 1)]
