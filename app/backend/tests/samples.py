"""Texts for the quiz tests, written for them."""

FRENCH = """# La photosynthèse

La photosynthèse est le processus par lequel les plantes vertes transforment la lumière du soleil en énergie chimique.
Elle se déroule dans les chloroplastes, de petits organites qui contiennent un pigment vert appelé chlorophylle.
Les racines de la plante puisent l'eau dans le sol, tandis que les feuilles absorbent le dioxyde de carbone de l'air.

En 1779, le médecin Jan Ingenhousz montra que les plantes ne dégagent de l'oxygène qu'en présence de lumière.
Un siècle plus tard, en 1883, le botaniste Theodor Engelmann étudia la réaction de certaines algues aux couleurs.
Le prof. Calvin, à Berkeley, décrivit en 1950 le cycle des réactions qui fabriquent le glucose.
Une forêt de 100 hectares peut absorber environ 600 tonnes de carbone par année.
Les bactéries marines produisent près de la moitié de l'oxygène que nous respirons.
Sans la photosynthèse, l'atmosphère de la Terre serait privée d'oxygène et la vie animale disparaîtrait.
"""

ENGLISH = """# The water cycle

The water cycle describes how water moves between the oceans, the atmosphere and the land surface.
Heat from the sun drives evaporation, which turns liquid water into invisible vapour above the oceans.
As the vapour rises, it cools and condenses into tiny droplets that gather around dust particles.

In 1674, the French scientist Pierre Perrault measured rainfall in the basin of the river Seine.
Dr. Edmond Halley calculated in 1687 how much moisture evaporates from the Mediterranean during one summer day.
Plants return moisture to the atmosphere through transpiration, mostly from the underside of their leaves.
Glaciers in Greenland and Antarctica store about 69 percent of the fresh water on the planet.
Groundwater may remain below the surface for more than 10000 years before it reaches a spring.
Rivers carry sediment from the mountains towards the coast and build fertile deltas at their mouths.
"""
