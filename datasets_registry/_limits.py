"""The largest files, archives and tables from others that are read; each limit is checked before memory is taken.

Sizes are in bytes. A limit is several times what the largest known honest file needs, so that only mistakes and attacks
meet it.
"""

KIB, MIB, GIB = 2**10, 2**20, 2**30

LARGEST_SETTINGS = 4 * MIB
"""A TOML file written by hand, or by `datasets add`; one that names 100,000 classes and images is smaller."""
LARGEST_JSON = 512 * MIB
"""A published split or scene file; the largest, CLEVR's scenes, has about 260 MiB."""
MOST_VALUES = 4_000_000
"""Values in one JSON file. Each takes up to 100 bytes of memory, however few bytes it has in the file."""
MOST_RECORDED_VALUES = 8_000_000
"""Values in the record of own images, four for each; two million images."""
MOST_KEY_PARTS = 20
"""Parts of a dotted key of TOML; the files of this project have at most two."""

LARGEST_RATIO = 200
"""Unpacked bytes per packed byte of an archive's file. Predictions reach 40, repeated text 100, a bomb 1,000."""
SMALL_MEMBER = MIB
"""A file of an archive up to this size may have any ratio."""
MOST_MEMBERS = 2_000_000
"""Files in an archive; ImageNet has 1.3 million images. Python keeps about 1 KiB of memory per file."""
LONGEST_MEMBER_HEADER = 256 * KIB
"""The long name or the extended attributes of a file in a tar archive, which are read at once."""
LARGEST_IMAGE = GIB // 2
"""One encoded image; an uncompressed one of the most pixels has as many bytes."""
MOST_PIXELS = 178_956_970
"""Pixels of an image, Pillow's own limit; 13,377 x 13,377. Decoded and converted, they take 1.4 GB."""
MOST_SLOW_PIXELS = 64 * MIB
"""Pixels of an image in a format with a slow decoder: JPEG 2000 takes 0.7 seconds per million, AVIF and HEIC 0.1."""
MOST_PLAIN_PIXELS = 4 * MIB
"""Pixels of a PPM image whose numbers are text; its decoder takes 3 seconds per million."""
MOST_SCANNED_PIXELS = 2 * GIB
"""Pixels of a JPEG times its passes over them; a usual progressive JPEG has 10 passes."""
LARGE_PIXELS = 16 * MIB
"""Images with more pixels are decoded one at a time, so that several of them do not fill the memory."""
MOST_TILES = MIB
"""Tiles or strips of a TIFF; Pillow takes 200 bytes of memory for each."""

LARGEST_TABLE = GIB // 2
"""A table of images; one of five million rows has about 250 MiB."""
MOST_CELLS, MOST_COLUMNS = 20_000_000, 1_000
"""Cells and columns of a table; ImageNet's images with a label and a split have 4 million cells. Each takes 60 bytes of
memory, however few it has in the file."""
LONGEST_CELL = 128 * KIB
"""Bytes of a cell; a path or a label is shorter. It is the limit of Python's csv reader as well."""
LONGEST_LINE = 4 * MIB
"""Characters of a line of a text table; a row of 1,000 paths has fewer."""
MOST_CHARACTERS = GIB // 2
"""Characters of all cells of a parquet table, which states a repeated text once."""

LARGEST_ARRAYS, MOST_ARRAYS = 64 * GIB, 10_000
"""Unpacked arrays of a feature file, and their number: 1.3 million images with 1,024 numbers each take 5 GiB."""
SMALL_ARRAYS = 256 * MIB
"""Arrays up to this size may have any ratio to their file; sorted labels are packed to a thousandth."""
LARGEST_CLASS_LIST = 32 * MIB
"""A file of class names or of sentences about classes; 100,000 names have 3 MiB."""

LARGEST_DOWNLOAD = 256 * GIB
"""A file of a dataset whose publisher states no size; the largest, ImageNet's images, have 155 GiB."""
LARGEST_LIST_DOWNLOAD = 256 * MIB
"""The same for a split file or a list, which is not an archive."""
UNPACKED_RATIO, UNPACKED_MORE = 20, GIB
"""Unpacked bytes of a downloaded archive: at most this many times its size, and this much in addition."""
