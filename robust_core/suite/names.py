"""Names of people and places that a changed text may have instead: each group's members stand in for one another.

Chosen by hand. A word that means something else as well (mark, grace, turkey, nice) is left out, since many data sets
are in lower case.
"""

from collections.abc import Mapping, Sequence

_WOMEN = ("Mary Patricia Jennifer Linda Elizabeth Barbara Susan Jessica Sarah Karen Nancy Lisa Margaret Sandra Ashley "
          "Kimberly Emily Donna Michelle Carol Amanda Melissa Deborah Stephanie Rebecca Laura Sharon Cynthia Kathleen "
          "Amy Angela Shirley Anna Brenda Pamela Emma Nicole Helen Samantha Katherine Christine Rachel Carolyn Janet "
          "Maria Heather Diane Julie Olivia Joyce Victoria Kelly Christina Lauren Joan Evelyn Judith Andrea Hannah "
          "Fatima Aisha Mei Priya").split()
_MEN = ("James Robert John Michael David William Richard Joseph Thomas Charles Christopher Daniel Matthew Anthony "
        "Donald Steven Paul Andrew Joshua Kenneth Kevin Brian George Timothy Ronald Edward Jason Jeffrey Ryan Jacob "
        "Gary Nicholas Eric Jonathan Stephen Larry Justin Scott Brandon Benjamin Samuel Gregory Alexander Patrick "
        "Raymond Jack Dennis Jerry Tyler Aaron Jose Adam Nathan Henry Douglas Peter Zachary Kyle Walter Ethan Jeremy "
        "Mohammed Ahmed Wei Rajesh").split()
_CITIES = ("London", "Paris", "Berlin", "Madrid", "Rome", "Vienna", "Amsterdam", "Brussels", "Lisbon", "Dublin",
           "Copenhagen", "Stockholm", "Oslo", "Helsinki", "Warsaw", "Prague", "Budapest", "Athens", "Istanbul",
           "Moscow", "Tokyo", "Beijing", "Shanghai", "Seoul", "Bangkok", "Singapore", "Sydney", "Melbourne", "Toronto",
           "Montreal", "Vancouver", "Chicago", "Boston", "Seattle", "Houston", "Dallas", "Atlanta", "Philadelphia",
           "Denver", "Miami", "Cairo", "Nairobi", "Lagos", "Mumbai", "Delhi", "Karachi", "Jakarta", "Manila",
           "New York", "Los Angeles", "San Francisco", "Hong Kong", "Buenos Aires", "Cape Town")
_COUNTRIES = ("France", "Germany", "Italy", "Spain", "Portugal", "Austria", "Belgium", "Switzerland", "Denmark",
              "Sweden", "Norway", "Finland", "Ireland", "Scotland", "England", "Britain", "Russia", "Ukraine", "Japan",
              "India", "Pakistan", "Indonesia", "Thailand", "Vietnam", "Australia", "Canada", "Mexico", "Brazil",
              "Argentina", "Colombia", "Egypt", "Kenya", "Nigeria", "Morocco", "Israel", "Iran", "Iraq", "Afghanistan",
              "South Korea", "South Africa", "New Zealand", "Saudi Arabia")
NAMES: tuple[Sequence[str], ...] = (_WOMEN, _MEN)
PLACES: tuple[Sequence[str], ...] = (_CITIES, _COUNTRIES)


def group_by_word(groups: Sequence[Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Return the group of each member, by the member in lower case."""
    return {member.lower(): group for group in groups for member in group}
