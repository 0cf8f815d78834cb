"""roles/backup/files/aiko_backup/prune.py: what retention lets go."""

import itertools

import pytest

from tests.unit.backup import library

prune = library("prune")
manifest = library("manifest")
DAY = 86400
NOW = manifest.moment("20260131_020000")


def sets(*ages: int, proven: tuple[int, ...] = ()) -> list:
    """Complete sets of these ages in days, the oldest first."""
    return [
        manifest.Set(manifest.new_identifier([], NOW - age * DAY), {"manifest": "m"}, 1 if age in proven else None)
        for age in sorted(ages, reverse=True)
    ]


def gone(found: list, keep: tuple[int, int], fulls: dict[int, int] | None = None) -> list[int]:
    """Ages in days of the sets that go; `fulls` says which set's full backup a set builds upon, by age; each has its own otherwise."""
    ages = {one.identifier: round((NOW - one.began) / DAY) for one in found}
    full_of = {identifier: f"F{(fulls or {}).get(age, age)}" for identifier, age in ages.items()}
    return [ages[one.identifier] for one in prune.removable(found, full_of, {"sets": keep[0], "days": keep[1]}, NOW)]


def test_both_number_and_age_have_to_allow_it():
    """Seven backups of one day are no week, and seven of last year are no reason to remove them."""
    assert gone(sets(0, 1, 2, 3), (2, 10)) == []
    assert gone(sets(0, 20, 30, 40), (2, 10)) == [40, 30]
    assert gone(sets(20, 30, 40), (3, 10)) == []


def test_the_newest_proven_set_stays_whatever_the_rules_say():
    """The others are hopes."""
    assert gone(sets(0, 20, 30, 40, proven=(30, 40)), (1, 10)) == [40, 20]


def test_the_newest_set_stays():
    """Zero is a number that people write."""
    assert gone(sets(20, 30), (0, 0)) == [30]
    assert gone(sets(20), (0, 0)) == []


def test_what_an_increment_builds_upon_stays_with_all_between():
    """An increment whose full backup is gone is nothing."""
    found = sets(0, 1, 8, 9, 15)
    fulls = {0: 9, 1: 9, 8: 9, 9: 9, 15: 15}
    assert gone(found, (1, 5), fulls) == [15]
    assert gone(sets(0, 8, 9, proven=(8,)), (1, 5), {8: 9, 9: 9}) == []


@pytest.mark.parametrize("number", range(40))
def test_whatever_is_there_the_promises_hold(number):
    """All small histories: two full backups, proofs anywhere."""
    ages = (0, 3, 7, 11, 30)
    marks = list(itertools.product((False, True), repeat=3))[number % 8]
    found = sets(*ages, proven=tuple(age for age, mark in zip((3, 11, 30), marks, strict=True) if mark))
    fulls = {0: 7, 3: 7, 7: 7, 11: 30, 30: 30} if number % 2 else {}
    left = [one for one in found if round((NOW - one.began) / DAY) not in gone(found, (number % 3, number % 5 * 3), fulls)]
    assert left[-1] is found[-1]
    assert len(left) >= max(1, number % 3)
    proven = [one for one in found if one.proven]
    assert not proven or proven[-1] in left
    assert not [one for one in found if (NOW - one.began) / DAY <= number % 5 * 3 and one not in left]
