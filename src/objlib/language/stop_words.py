"""Words that say nothing about a subject, by language; dropped from a question when others remain.

A word of one language may be telling in another ("die" in English, "not" in German), so only the
words of the question's own language count: of which most are in it, English when in doubt.
"""

from __future__ import annotations

from collections.abc import Collection

ENGLISH = frozenset(
    "a about an and are as at be been but by can could did do does for from had has have he her "
    "his how i if in into is it its me my no not of on or our say says said she should so some "
    "tell than that the their them then there these they this those to us was we were what when "
    "where which who whom whose why will with would you your".split()
)
_OTHERS = tuple(
    frozenset(words.split())
    for words in (
        # German
        "aber als am an auch auf aus bei bin bis da das dass dem den denn der des die dies "
        "diese dieser dieses du durch ein eine einem einen einer eines er es für gegen gibt "
        "hat haben ich ihr ihre im in ist ja kann können man mit nach nicht noch nur ob oder "
        "ohne sagt sein seine sich sie sind so über um und uns unter vom von vor war waren "
        "warum was welche welcher welches wenn wer wie wir wird wo wurde zu zum zur",
        # French
        "à au aux avec c ce ces cette comment d dans de des dit donc du elle elles en est et "
        "été être eu eux il ils j je l la le les leur leurs lui mais me même n ne nos notre "
        "nous on ont ou où par pas pour pourquoi qu quand que quel quelle quelles quels qui "
        "quoi s sa se ses son sont sur ta te tu un une vos votre vous y",
        # Spanish
        "a al como cómo con cuál cuáles cuando cuándo de del dice dónde donde e el él ella "
        "ellos en entre era es esta este esto fue ha han hay la las le les lo los más me mi "
        "muy no nos o para pero por porque qué que quien quién se sea ser si sin sobre son su "
        "sus también tiene un una y ya",
        # Italian
        "a al alla anche che chi ci come con cosa da dal dalla dei del della delle di dice "
        "dove e è era gli ha hanno i il in io la le lo ma nel nella non o per perché più qual "
        "quale quali quando questa questo se si sono su sul sulla suo sua un una uno",
        # Portuguese
        "a ao aos as com como da das de do dos diz e é ela ele em entre era essa esse esta "
        "este foi há isso já mais mas na nas no nos não o onde os ou para pela pelo por "
        "porque qual quais quando que quem se sem ser seu sua são também tem um uma",
        # Dutch
        "aan al als bij dat de der deze die dit door een en er het hij hoe hun ik in is kan "
        "maar me men met mijn naar niet nog of om ook op over te tot uit van voor waar waarom "
        "was wat we welke wie wij worden wordt zei zich zij zijn zo",
        # Russian
        "а без бы был была были было в вам вас во вот все вы где да для до его ее если есть "
        "же за и из или им их к как какая какие какой когда кто ли мы на над не него нет но о "
        "об он она они от по под почему при с со так то тот ты у что чтобы эта эти это я",
    )
)


def stop_words(terms: Collection[str]) -> frozenset[str]:
    """Return the words that say nothing in the language of these terms."""
    best, most = ENGLISH, max(1, len(ENGLISH.intersection(terms)))
    for words in _OTHERS:
        if (found := len(words.intersection(terms))) > most:
            best, most = words, found
    return best
