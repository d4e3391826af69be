"""The report on paper: A4, the words, pictures and tables of the page, drawn by fpdf2."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.contrib.staticfiles import finders
from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace

from firstlight.console.pictures import Picture
from firstlight.console.pictures import printed as drawn
from firstlight.console.sections import Section, Table

INK, TEXT, FAINT, LINE = (15, 23, 42), (51, 65, 85), (82, 97, 122), (226, 232, 240)
TONES = {"better": (31, 157, 107), "worse": (217, 72, 95), "warn": (217, 138, 28), "info": (79, 127, 224)}
FONTS = {"": "Regular", "B": "SemiBold"}  # the admin's own Inter: the fonts every PDF reader has lack “−” and quotes
MARGIN, WIDTH, HIGHEST = 16, 178, 215.0  # mm: of a page, of what is between, of a picture
DRAWN = 900  # px of a picture at that width
SMALLEST = 0.8  # of its size, to which a picture may shrink to stay on its page
SMALL = 6.8  # points, in tables
ASIDE = 3.8  # mm of a cell beside its text


def printed(found: Mapping[str, Any], *, at: datetime) -> bytes:
    """The PDF of what the page of a look says (`Reading.context`)."""
    pdf = _paper(found["experiment"].name)
    _head(pdf, found, at)
    _health(pdf, found)
    for section in [*found["sections"], *found["records"]]:
        _section(pdf, section)
    if found["sql"]:
        _title(pdf, "The query behind these numbers")
        _write(pdf, "On its page, under the same heading, and in the results over HTTP, as `sql`.")
    return bytes(pdf.output())


def _paper(title: str) -> FPDF:
    pdf = _Paper(format="A4")
    pdf.set_margin(MARGIN)
    pdf.set_auto_page_break(True, margin=18)
    for style, file in _fonts().items():
        _add_font(pdf, style, file)
    pdf.set_title(title)
    pdf.set_lang("en")
    pdf.add_page()
    return pdf


class _Paper(FPDF):
    def footer(self) -> None:
        self.set_y(-12)
        self.set_font("Inter", "", 8)
        self.set_text_color(*FAINT)
        self.cell(0, 5, f"{self.title} · {self.page_no()}", align="R")


@cache
def _fonts() -> dict[str, bytes]:
    """Inter unpacked, for paper takes no web fonts; once per process."""
    found = {}
    for style, name in FONTS.items():
        path = finders.find(f"unfold/fonts/inter/Inter-{name}.woff2")
        assert isinstance(path, str)
        font, out = TTFont(path), BytesIO()
        font.flavor = None
        font.save(out)
        found[style] = out.getvalue()
    return found


def _add_font(pdf: FPDF, style: str, file: bytes) -> None:
    """fpdf2 reads fonts from files only, and at once."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "font.ttf"
        path.write_bytes(file)
        pdf.add_font("Inter", style, path)


def _head(pdf: FPDF, found: Mapping[str, Any], at: datetime) -> None:
    experiment, look = found["experiment"], found["look"]
    _write(pdf, experiment.name, size=18, style="B", colour=INK)
    _write(
        pdf,
        f"{experiment.key} · look {look.number}, events until {look.until:%-d %b %Y, %H:%M} UTC"
        f" · printed {at:%-d %b %Y, %H:%M} UTC",
        size=8.5,
        colour=FAINT,
    )
    pdf.ln(4)
    if found["decided"]:
        _write(pdf, found["decided"].sentence, size=11, style="B", colour=INK)
        _write(pdf, found["decided"].note)
        pdf.ln(3)
    _verdict(pdf, found["verdict"], found["verdict_tone"])
    told = [f"{label}: {value}" + (f" ({small})" if small else "") for label, value, small in found["figures"]]
    _write(pdf, " · ".join(told), size=8.5, colour=FAINT)


def _verdict(pdf: FPDF, verdict: Mapping[str, Any], tone: str) -> None:
    top = pdf.get_y()
    pdf.set_left_margin(MARGIN + 5)
    _write(pdf, verdict["sentence"], size=14, style="B", colour=INK)
    pdf.set_left_margin(MARGIN)
    pdf.set_fill_color(*TONES.get(tone, FAINT))
    pdf.rect(MARGIN, top, 1.2, max(pdf.get_y() - top, 6), style="F")
    pdf.set_fill_color(255, 255, 255)  # else tables take it for their own
    pdf.ln(2)
    _list(pdf, verdict["reasons"])


def _health(pdf: FPDF, found: Mapping[str, Any]) -> None:
    _title(pdf, "Health")
    _write(pdf, found["health_sentence"])
    _list(pdf, [f"{c.state}: {c.name}. {c.sentence}" for c in found["health"]])


def _section(pdf: FPDF, section: Section) -> None:
    shown = [_Shown.of(picture) for picture in section.pictures]
    _title(pdf, section.title + (f" ({section.badge})" if section.badge else ""), room=_least(shown))
    _write(pdf, section.sentence or section.missing)
    for one in shown:
        _picture(pdf, one)
    for table in section.tables:
        _table(pdf, table)
    for note in section.notes:
        _write(pdf, note, size=8.5, colour=FAINT)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A picture as paper takes it."""

    picture: Picture
    image: bytes
    high: float  # mm at full width; one too high for a page is made to fit

    @classmethod
    def of(cls, picture: Picture) -> "_Shown":
        image = drawn(picture, width=DRAWN)
        width, height = _size(image)
        return cls(picture, image, min(WIDTH * height / width, HIGHEST))


def _least(shown: Sequence[_Shown]) -> float:
    """Room, in mm, that a title leaves below itself, so that it does not stand alone at the foot of a page."""
    return 26 + SMALLEST * shown[0].high if shown else 34


def _picture(pdf: FPDF, one: _Shown) -> None:
    """With its words above it on the same page, smaller rather than on the next."""
    room = pdf.h - pdf.b_margin - pdf.get_y() - 12
    if room < SMALLEST * one.high:
        pdf.add_page()
        room = HIGHEST
    _write(pdf, one.picture.title, size=9.5, style="B", colour=INK)
    _write(pdf, one.picture.caption, size=8.5, colour=FAINT)
    told = f"{one.picture.title}. {one.picture.caption}"
    pdf.image(BytesIO(one.image), x=MARGIN, h=min(one.high, room), alt_text=told)
    pdf.ln(4)


def _size(png: bytes) -> tuple[int, int]:
    """Px, from the header."""
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


def _table(pdf: FPDF, table: Table) -> None:
    if not table.rows:
        return
    if pdf.will_page_break(18):
        pdf.add_page()
    _write(pdf, table.caption, size=8.5, colour=FAINT)
    widths = _widths(pdf, table)
    pdf.set_font("Inter", "", SMALL)
    pdf.set_text_color(*TEXT)
    pdf.set_draw_color(*LINE)
    style = FontFace(emphasis="B", color=INK)
    with pdf.table(
        borders_layout="HORIZONTAL_LINES",
        headings_style=style,
        line_height=3.6,
        padding=(0.7, 0.8),
        text_align=tuple("RIGHT" if head.is_number else "LEFT" for head in table.heads),
        col_widths=widths,
        width=WIDTH,
    ) as lines:
        lines.row([head.text for head in table.heads])
        for one, cells in table.lines:
            if one.is_group:
                named = f"{one.cells[0].text}  {one.cells[0].sub}"
                lines.row(style=style).cell(named, colspan=len(table.heads), align="LEFT")
            else:
                lines.row([_kept(f"{cell.text} {cell.sub}".strip()) for cell, _ in cells])
    pdf.ln(4)


def _widths(pdf: FPDF, table: Table) -> tuple[float, ...]:
    """Mm: no number and no word is broken; what is left goes to those who have most to say."""
    columns = [[head.text] for head in table.heads]
    for one in table.rows:
        if not one.is_group:
            for column, cell in zip(columns, one.cells, strict=False):
                column.append(f"{cell.text} {cell.sub}".strip())
    pdf.set_font("Inter", "B", SMALL)
    least = [max(pdf.get_string_width(_unbroken(text)) for text in column) + ASIDE for column in columns]
    wanted = [max(map(pdf.get_string_width, column)) + ASIDE for column in columns]
    more = max(WIDTH - sum(least), 0.0) / max(sum(wanted) - sum(least), 1e-9)
    return tuple(low + (want - low) * more for low, want in zip(least, wanted, strict=True))


def _unbroken(text: str) -> str:
    """The longest part that stays on one line: a short cell does as a whole."""
    return text if len(text) <= 13 else max(text.split(), key=len)


def _title(pdf: FPDF, text: str, *, room: float = 34) -> None:
    if pdf.will_page_break(room):
        pdf.add_page()
    pdf.ln(5)
    _write(pdf, text, size=12.5, style="B", colour=INK)


def _list(pdf: FPDF, sentences: Iterable[str]) -> None:
    for sentence in sentences:
        _write(pdf, f"•  {sentence}")


def _write(pdf: FPDF, text: str, *, size: float = 9.5, style: str = "", colour: Sequence[int] = TEXT) -> None:
    if text:
        pdf.set_font("Inter", style, size)
        pdf.set_text_color(*colour)
        pdf.multi_cell(0, size * 0.5, _kept(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _kept(text: str) -> str:
    """A number and its unit stay on one line."""
    return text.replace(" %", "\u00a0%").replace(" pp", "\u00a0pp")
