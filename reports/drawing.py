"""Turns a figure of matplotlib into SVG inside a page: its colours, its font and its ids are the page's.

A chart is drawn twice, for a wide page and for a phone, and the style sheet shows one of them.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import NamedTuple

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

INK, MUTED, GRID, GOOD, BAD, NEUTRAL, SERIES = (
    "#010101",
    "#020202",
    "#030303",
    "#040404",
    "#050505",
    "#060606",
    ("#0a0101", "#0a0202", "#0a0303", "#0a0404", "#0a0505", "#0a0606"),
)
"""Colours that no chart shows: each becomes a variable of the style sheet, which has a value for light and one for dark."""
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    GOOD: "good",
    BAD: "bad",
    NEUTRAL: "neutral",
    **{colour: f"series-{number}" for number, colour in enumerate(SERIES, 1)},
}
MARKERS = ("o", "s", "^", "D", "v", "P")
"""One for each colour, because no information is in the colour alone."""
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
PIXELS_PER_INCH = 72
"""matplotlib's SVG has points; the page shows each as a pixel."""

_STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "aurora-restore",
    "text.parse_math": False,  # a dollar in a name is a dollar
    "text.usetex": False,
    "font.size": 12,
    "hatch.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.titlecolor": INK,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "hatch.color": INK,
}


class Width(NamedTuple):
    """How wide a chart is drawn, in pixels, and the class under which the style sheet shows it."""

    pixels: int
    name: str


WIDTHS = (Width(1120, "wide"), Width(340, "narrow"))
NARROW = WIDTHS[1].pixels


class Margins(NamedTuple):
    """Pixels around the plots of a figure, for the labels of their axes."""

    left: int = 52
    right: int = 10
    top: int = 8
    bottom: int = 26


def lay_out(figure: Figure, width: int, height: int, margins: Margins, gap: int = 0) -> int:
    """Set the margins, and the gap between the plots; return the height. Sizes are in pixels.

    matplotlib's own layout draws each figure twice.
    """
    rows, columns = figure.axes[0].get_gridspec().get_geometry() if figure.axes else (1, 1)  # type: ignore[union-attr]
    across, down = (
        (size - gap * (count - 1)) / count
        for size, count in (
            (width - margins.left - margins.right, columns),
            (height - margins.top - margins.bottom, rows),
        )
    )
    figure.subplots_adjust(
        left=margins.left / width,
        right=1 - margins.right / width,
        bottom=margins.bottom / height,
        top=1 - margins.top / height,
        wspace=gap / across,
        hspace=gap / down,
    )
    return height


def draw(name: str, title: str, fill: Callable[[Figure, int], int]) -> Markup:
    """The chart as SVG, once for each width. `fill` draws at a width in pixels and returns the height in pixels.

    `name` makes its ids different from those of the page's other charts; `title` is what a screen reader says.
    """
    return Markup("").join(_draw(f"{name}-{width.name}", title, fill, width) for width in WIDTHS)


def _draw(name: str, title: str, fill: Callable[[Figure, int], int], width: Width) -> Markup:
    with warnings.catch_warnings(), mpl.rc_context(_STYLE):  # type: ignore[arg-type]  # the stubs list the keys of their own version
        figure = Figure()
        figure.patch.set_alpha(0)
        height = fill(figure, width.pixels)
        figure.set_size_inches(width.pixels / PIXELS_PER_INCH, height / PIXELS_PER_INCH)
        file = io.StringIO()
        # A name may have characters of which matplotlib's own font, by which it measures, has none.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        metadata: dict[str, None] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=metadata, transparent=True)
    return _for_page(file.getvalue(), name, title, width)


def _for_page(drawn: str, name: str, title: str, width: Width) -> Markup:
    """The drawing without its prologue, with the page's colours and font, and with ids of its own."""
    body = drawn[drawn.index("<svg") : drawn.rindex("</svg>")]
    start, _, content = body.partition(">")
    content = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", content, flags=re.DOTALL)
    view = re.search(r'viewBox="([0-9. ]+)"', start)
    if view is None:
        raise RuntimeError("matplotlib's SVG has no viewBox")
    referenced = set(re.findall(r"""(?:url\(#|href="#)([^")]+)""", content))
    content = re.sub(r' id="([^"]+)"', lambda found: _own_id(found[1], name, referenced), content)
    content = re.sub(r"""(url\(#|href="#)""", rf"\g<1>{name}-", content).replace("xlink:href", "href")
    for colour, variable in _VARIABLES.items():
        content = content.replace(colour, f"var(--{variable})")
    content = re.sub(r"""font-family: [^;"]*(; )?""", "", content)
    content = re.sub(r"\s*\n\s*", " ", re.sub(r"<style.*?</style>", "", content, flags=re.DOTALL)).replace("> <", "><")
    return Markup(  # noqa: S704 - matplotlib has escaped the texts in it
        f'<svg class="chart {width.name}" role="img" aria-label="{escape(title)}" viewBox="{view[1]}" '
        f'style="max-width:{width.pixels}px">{content.strip()}</svg>'
    )


def _own_id(identifier: str, name: str, referenced: set[str]) -> str:
    return f' id="{name}-{identifier}"' if identifier in referenced else ""
