"""Names of persons for the rule `name`. Short lists: they show that a value is masked, they do not imitate a country.

Written for this project; no library of names is needed for them (docs/decisions/0023-masking.md).
"""

from models.masking import NamePart

_FIRST = """
Ada Alan Amir Anna Arun Aya Ben Bao Carla Chen Clara David Dina Elena Emil Esra Eva Farid Felix
Fatima Gita Hana Hugo Ida Igor Ines Ivan Jana Jin Jonas Joy Juan Kai Kofi Lara Lena Leo Lin Luca
Maja Malik Mara Marco Mei Mina Nadia Nils Noor Olga Omar Paula Petra Priya Rafael Rosa Sami Sara
Sofia Tariq Theo Uma Vera Yara Zoe
"""
_LAST = """
Abbott Adeyemi Alvarez Andersen Aydin Bakker Banerjee Becker Bianchi Brandt Castro Chang Costa Dahl
Diaz Dubois Eriksen Farkas Fischer Flores Garcia Greco Haddad Hansen Herrera Hoang Ito Ivanov Jansen
Kaya Keller Khan Kim Kowalski Larsen Lee Lopez Marin Mendes Meyer Moreau Mwangi Nakamura Novak
Okafor Olsen Patel Perez Popov Ricci Rossi Sato Schmidt Silva Singh Suzuki Tanaka Toth Varga Weber
Wong Yilmaz Zhang Zimmer
"""
FIRST_NAMES, LAST_NAMES = tuple(_FIRST.split()), tuple(_LAST.split())
"""64 of each, so that one byte of a hash picks every name equally often."""
FULL_NAMES = tuple(
    f"{first} {LAST_NAMES[(place + turn * 16) % len(LAST_NAMES)]}"
    for turn in range(4)
    for place, first in enumerate(FIRST_NAMES)
)
"""256, each of them once: one hash for each row picks a whole name."""
NAMES = {NamePart.FIRST: FIRST_NAMES, NamePart.LAST: LAST_NAMES, NamePart.FULL: FULL_NAMES}
LONGEST = max(map(len, FULL_NAMES))
