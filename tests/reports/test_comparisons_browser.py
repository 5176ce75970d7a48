"""Head to head, and accuracy against shots, in a real browser."""

from __future__ import annotations

import pytest
from report_sample import runs_frame, sample_site

pytest.importorskip("websocket", reason="websocket-client is not installed")

from bench.score_texts import percent
from reports.tables.page_table import reach_text, whole_sides

CELLS = """[...document.querySelectorAll('{} {} tr')].map((row) =>
    [...row.children].map((cell) => cell.innerText.replace('−', '-').split('\\n')))"""
ADDRESS = "decodeURIComponent(location.hash.slice(1))"


@pytest.fixture(scope="module")
def view():
    runs = runs_frame(protocols=("base-to-new",), shots=(1, 4, 16))
    return sample_site(runs)


def board_of(view, shots):
    return next(board for board in view.boards if board.board.setting.shots == shots)


def set_select(page, identity, value):
    page.run(
        f"""(() => {{
            const select = document.getElementById({identity!r});
            select.value = {value!r};
            select.dispatchEvent(new Event('change'));
        }})()"""
    )


def test_charts_of_shots_show_the_chosen_pair_with_intervals(page, view):
    svg = "document.querySelector('figure[data-kind=shots] svg')"
    page.wait(f"{svg} !== null")
    panels = page.run(f"[...{svg}.querySelectorAll(':scope > g > text[font-weight]')].map((node) => node.textContent)")
    assert panels[0] == "Mean H"
    assert sorted(panels[1:]) == sorted(dataset.title for dataset in board_of(view, 16).datasets)
    tips = f"""[...{svg}.querySelectorAll('[data-tip]')].filter((node) => node.getClientRects().length)
        .map((node) => node.dataset.tip)"""
    page.wait(f"{svg}.querySelectorAll('.a .mark').length === 12 * 3")
    assert all(": APEX " in tip for tip in page.run(tips)), "zero-shot is a line"
    bars = "[...document.querySelectorAll('figure[data-kind=shots] .a .pair > path:first-child')]"
    assert page.run(f"{bars}.every((bar) => bar.getAttribute('d').includes('V'))")
    value = board_of(view, 16).board.score("apex", "dtd", "H")
    assert f"DTD, 16 shots: APEX {percent(value.mean)} {reach_text(whole_sides(value))} %" in page.run(tips)
    set_select(
        page, "choose-a", page.run("[...document.getElementById('choose-a').options].find(o => o.text === 'VPT').value")
    )
    page.wait(f"{tips}.every((tip) => tip.includes(': VPT '))")


def test_a_pair_of_head_to_head_opens_in_the_picture_and_back_returns(page):
    page.run("document.querySelector('[data-section=head_to_head] a[href*=\"A=coop&B=vpt\"]').click()")
    page.wait(f"{ADDRESS}.includes('A=coop&B=vpt')")
    chosen = "['choose-a', 'choose-b'].map((id) => document.getElementById(id).selectedOptions[0].text)"
    assert page.run(chosen) == ["CoOp", "VPT"]
    page.wait("document.querySelector('.pair').textContent.startsWith('Difference ')")
    page.wait("document.getElementById('overview').getBoundingClientRect().top < innerHeight / 2")
    page.run("history.back()")
    page.wait(f"{chosen}.join() === 'APEX,Zero-shot CLIP'")
