"""A program: reads SVG from standard input and writes it to standard output as the format of its argument, pdf or png.

It runs in a separate process, because the renderer can abort its process.
"""

import sys

if __name__ == "__main__":
    import vl_convert

    svg = sys.stdin.buffer.read().decode()
    converted = vl_convert.svg_to_pdf(svg) if sys.argv[1] == "pdf" else vl_convert.svg_to_png(svg, scale=2)
    sys.stdout.buffer.write(converted)
