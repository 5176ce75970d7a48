"""Public names of `bench.extensions.packs`; `__init__.py` loads each on first use."""

from .contents import PackError as PackError
from .extension import EXTENSION as EXTENSION
from .make_and_check import check_pack as check_pack
from .make_and_check import make_pack as make_pack
from .stored import StoredPack as StoredPack
from .stored import stored_pack as stored_pack
