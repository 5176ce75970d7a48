"""Office-Home, Clipart: one of the four domains of Venkateswara et al., CVPR 2017."""

from datasets_registry._readers.register_families import register_office_home_domain

register_office_home_domain("clipart", "Clipart", "65 kinds of objects of offices and homes in cliparts.")
