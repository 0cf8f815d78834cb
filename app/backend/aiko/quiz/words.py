"""Words of French and English that the built-in generator needs to know."""

# ruff: noqa: SIM905  (a list of quoted words would be three times as long)

STOP = {
    "fr": frozenset(
        """
        a afin ai ainsi alors ans après as au aucun aucune aussi autre autres aux avait avant avec avoir
        beaucoup bien c car ce ceci cela celle celles celui cependant ces cet cette ceux chacun chaque chez ci
        comme comment contre d dans de depuis des deux donc dont du elle elles en encore entre est et eu eux
        faire fait fois font furent fut grâce hors il ils j je jusque l la laquelle le lequel les lesquelles
        lesquels leur leurs lors lorsque lui m ma mais malgré me mes mieux moins mon même mêmes n ne ni non nos
        notre nous on ont or ou où par parce parfois parmi pas peu peut peuvent plus plusieurs plutôt pour
        pourquoi presque près puis puisque qu quand que quel quelle quelles quelque quelques quels qui quoi
        quoique s sa sans se selon sera seront ses seulement si sinon soit son sont sous souvent sur t ta tandis
        te tel telle tels tes toi ton toujours tous tout toute toutes trop très tu un une vers voici voilà vos
        votre vous y à ça étaient était été être
        """.split()
    ),
    "en": frozenset(
        """
        a about above after again against all almost also although always am among an and another any are as at
        be because been before being below between both but by can cannot could did do does doing done down
        during each either even ever every few first for from further had has have having he her here hers
        herself him himself his how however i if in into is it its itself just least less like made make makes
        many may me might more most much must my myself neither never no nor not now of off often on once one
        only or other others our ours out over own per rather same second several shall she should since so some
        still such than that the their theirs them themselves then there therefore these they this those though
        three through thus to together too toward two under until up upon us use used uses using very was we
        were what when where whether which while who whom whose why will with within without would yet you your
        yours
        """.split()
    ),
}

ABBREVIATIONS = frozenset(
    """
    al approx apr art aug av avr bd c.-à-d ca capt cf chap co col corp dec dept dr drs déc e.g ed eds env etc ex
    feb fig figs févr gen i.e inc jan janv jr juil jul lt ltd m mar me mgr mlle mm mme mmes mr mrs ms no nos nov
    n° oct p p.ex pp pr prof ref réf sep sept sgt sr st ste vol vs éd
    """.split()
)

# Last resort when a document has too few words of a kind; ordinary nouns, so that they read well in most sentences.
FALLBACK = {
    "fr": {
        "word": [
            "méthode",
            "système",
            "période",
            "matière",
            "surface",
            "fonction",
            "culture",
            "mouvement",
            "origine",
            "société",
            "valeur",
            "structure",
        ],
        "name": ["Lyon", "Rome", "Darwin", "Molière", "Espagne", "Europe", "Vienne", "Colbert", "Asie", "Pascal"],
    },
    "en": {
        "word": [
            "method",
            "system",
            "period",
            "matter",
            "surface",
            "function",
            "culture",
            "movement",
            "origin",
            "society",
            "value",
            "structure",
        ],
        "name": ["London", "Rome", "Darwin", "Shakespeare", "Spain", "Europe", "Vienna", "Franklin", "Asia", "Pascal"],
    },
}
