"""What a reader does on a page of the report in the browser: opening folds, choosing, copying."""

from __future__ import annotations

from chromium import Page


def open_leaderboard(page: Page) -> None:
    """Open the fold of every score, and wait for its table."""
    page.run("document.querySelector('#leaderboard details').open = true")
    page.wait("document.querySelector('#leaderboard table.board') !== null")


def choose(page: Page, selector: str, text: str) -> None:
    """Choose the option with that text in a select."""
    page.run(
        f"""(() => {{
            const select = document.querySelector({selector!r});
            select.value = [...select.options].find((option) => option.text === {text!r}).value;
            select.dispatchEvent(new Event('change'));
        }})()"""
    )


def tab_stops(page: Page) -> int:
    """The elements that the tab key reaches."""
    return page.run(
        "[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex]')]"
        ".filter((node) => node.tabIndex >= 0 && node.checkVisibility()).length"
    )


def copied(page: Page, expression: str) -> str:
    """The text that an action puts on the clipboard."""
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)
    page.run("document.addEventListener('copy', () => { window.copied = document.activeElement.value; })")
    page.call("Runtime.evaluate", expression=f"window.copied = ''; {expression}", userGesture=True)
    page.wait("window.copied !== ''")
    return page.run("window.copied")
