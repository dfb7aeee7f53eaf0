"""The report and the evidence in a real browser: nothing is cut off, every text can be read, every chart has its table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.rigs.chromium import Scheme, chromium, needs_chromium, open_page
from tests.rigs.report_pictures import NARROW, WIDE, evidence_page, report_page

pytestmark = needs_chromium
PAGES = {"report": report_page, "evidence": evidence_page}
LEAST_CONTRAST = 4.5
"""Source: WCAG 2.2, 1.4.3 Contrast (Minimum), for text that is not large."""
# Elements outside of charts whose box leaves the window or the box around it that scrolls.
CUT_OFF = """() => [...document.querySelectorAll("body *:not(svg *)")].filter(element => {
  const box = element.getBoundingClientRect();
  if (!box.width || element.closest("details:not([open])")) return false;
  if (getComputedStyle(element.closest("thead") || element).clipPath !== "none") return false;
  const around = element.closest(".scroll");
  const right = around ? around.getBoundingClientRect().right : document.documentElement.clientWidth;
  return box.right > right + 1 || box.left < -1;
}).map(element => `${element.tagName} ${element.textContent.trim().slice(0, 60)}`).slice(0, 5)"""
# The least contrast of a text with the nearest background that is not transparent, and which text it is.
CONTRAST = """() => {
  const parse = text => (text.match(/[0-9.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const background = element => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let worst = [99, ""];
  for (const element of document.querySelectorAll("body *:not(svg):not(svg *)")) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
    const [a, b] = [parse(getComputedStyle(element).color), background(element)].map(light);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, element.textContent.trim().slice(0, 60)];
  }
  return worst;
}"""
CHARTS = """() => [...document.querySelectorAll("figure")].map(figure => {
  const table = figure.nextElementSibling;
  return Boolean(table && table.tagName === "DETAILS" && table.querySelector("tbody tr"));
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def opened(browser: Browser, name: str, width: int, scheme: Scheme = "light") -> Page:
    return open_page(browser, PAGES[name](), width, scheme)


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_off(browser: Browser, name: str, width: int) -> None:
    """On a desk and on a telephone: no text leaves the window, and no table needs to be scrolled sideways."""
    page = opened(browser, name, width)
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_every_text_can_be_read(browser: Browser, name: str, scheme: Scheme) -> None:
    """Also the muted ones, the badges and the cells of the calendar."""
    ratio, text = opened(browser, name, WIDE, scheme).evaluate(CONTRAST)
    assert ratio >= LEAST_CONTRAST, text


def test_every_chart_has_its_table(browser: Browser) -> None:
    """For those who do not see the chart, and for those who want to copy from it."""
    charts = opened(browser, "report", WIDE).evaluate(CHARTS)
    assert len(charts) > 10
    assert all(charts)
