"""What people read of the trail: a page of the past days with charts, and the evidence of one operation.

Needs the extra `report` (jinja2 and matplotlib), which only `starter.py report` loads.
"""
