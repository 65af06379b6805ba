"""A fingerprint as words, for people who compare it on paper or by telephone.

One word stands for one byte. Twelve words are the first 96 bits of a SHA-256: to find another key with the same words
takes 2^96 keys, and nobody reads 32 words aloud. No two words share their first three letters, and none becomes another
by changing fewer than three letters, so a slip of the tongue is noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.digest import Digest

COUNT = 12
LIST = tuple(
    """
    actor agent alarm amber angle apron artist atlas attic autumn avocado badge bamboo banjo barrel basket beach
    beetle bison blossom bonus border broom buffalo button cabin cactus camel canyon carpet castle cedar cello
    chess circus cliff cobalt coffee copper cowboy crab cricket crown crystal cube curtain daisy dancer denim
    desert diamond dolphin donkey drift drum duck earth echo eclipse eggplant elbow elephant elk emerald engine
    envelope evening exit fabric falcon family farmer feather fiddle fjord flamingo flour flute forest fossil
    fountain fox freezer furnace galaxy gamma garlic gazelle ghost giant giraffe glacier glove gorilla grape
    guitar hail harbor hedgehog helmet hickory hippo hobby horizon hotel husky hydrogen hyena iceberg igloo
    indigo insect iris island ivory jaguar jasmine jewel jigsaw journal juniper kangaroo kayak kennel kimono
    kitchen kiwi knight koala ladder lantern lava lemon leopard library lilac linen lizard lobster logic lunch
    lynx maestro magnet maple meadow mermaid meteor mirror mosaic moth muffin museum napkin nectar nickel ninja
    noodle nugget nutmeg oasis oatmeal ocean omega onion orange orbit orchid ostrich otter oval oxygen palace
    panda parrot peanut pebble pelican pencil pigeon pilot pirate pocket poem pumpkin puzzle pyramid quarry
    queen quill rabbit raven recipe reptile ribbon robot rodeo runner scarf school silver skate sketch sleigh
    smoke snow sofa spider squid stadium steak sulfur summit swan syrup tablet teapot temple tennis thunder
    tiger toast tomato topaz trophy trumpet tulip turtle ukulele umbrella unicorn vacuum valley vanilla vessel
    village violin volcano voyage vulture waffle wagon walnut whale willow winter wolf wombat yacht yarn yogurt
    zebra zenith zigzag zinc zodiac
    """.split()  # noqa: SIM905  (256 words read better as text)
)


def words(fingerprint: Digest) -> str:
    """The first `COUNT` bytes of a fingerprint as words, separated by spaces."""
    return " ".join(LIST[byte] for byte in bytes.fromhex(fingerprint.hex)[:COUNT])
