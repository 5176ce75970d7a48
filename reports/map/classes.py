"""The classes of colour of gains, the same on all pages; `style/tokens.css` has their colours."""

from reports._format import unsigned

CLASSES = (0.01, 0.03, 0.06, 0.12, 0.24, 0.48)
"""The least gains of the classes of colour, fractions; the same on all pages, each about twice the one before."""


def tone_of(gain: float) -> str:
    """The class of colour of a gain, a fraction; what is shown as 1.0 is in the class that begins with 1.

    Example:
        >>> tone_of(0.005), tone_of(0.03), tone_of(-0.5)
        ('g0', 'g2', 'l6')
    """
    size = sum(float(unsigned(abs(gain))) >= 100 * least for least in CLASSES)
    return f"{'l' if gain < 0 and size else 'g'}{size}"
