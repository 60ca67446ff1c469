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
    "where which who whom whose why will with would you your "
    # In front of what is asked: "please tell me something about".
    "anything concerning explain please regarding something".split()
)
_OTHERS = tuple(
    frozenset(words.casefold().split())
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
        # Afrikaans
        "aan as by daar dat deur die dit een en ek het hierdie hoe hoekom hul hulle hy in is "
        "jou kan maar met my na nie of om ons oor op sal se sê sy te tot uit van vir waar "
        "waarom wanneer was wat watter wees wie word",
        # Swedish
        "alla att av de dem den denna det detta du efter eller en ett från för ha han har hon "
        "hur i inte jag kan man med men mot när och om på säger sig sin ska som till under ut "
        "vad var varför vem vi vid vilka vilken vilket är",
        # Danish and Norwegian
        "af alle at av blev ble de dem den denne der det dette du efter eller en er et etter "
        "for fra ham han har hun hvad hva hvem hvilke hvilken hvilket hvor hvordan hvorfor hvornår "
        "i ikke jeg kan man med men mod mot og om på sig seg sier siger sin skal som til ud "
        "under ut var ved vi",
        # Finnish
        "että ei en hän he ja jos joka jotka kanssa kuin kuinka kuka kun me mihin mikä miksi "
        "milloin minä missä mitä mitkä mutta myös ne niin oli olla on ovat sanoo se sen siitä "
        "sinä tai tämä tässä vai",
        # Polish
        "a ale bez być był była było by co czy czym dla do gdy gdzie go i ich ile jak jaka "
        "jaki jakie jakich jego jej jest kiedy kto która które który lub ma mnie mówi na nad "
        "nie niż o od oraz po pod przed przez przy są się ta tak tej ten to tych tym u w we "
        "z za ze że",
        # Czech and Slovak
        "a aby ale ako ani ako by byl byla bylo byť co což čo či do i jak jaká jaké jaký jako "
        "je jeho její jsou k kde kdo kdy kedy který která které ktorá ktoré ktorý kto má na "
        "nad ne nebo než o od po pod pro pre proč prečo při pri s sa se si sú ta tak ten to u "
        "v ve z za ze že",
        # Hungarian
        "a az azt aki akik ami amely annak be csak de egy ennek ez ezt és ha hogy hogyan hol "
        "ki kik le lehet lesz meg mely melyik melyek mi mikor miért mit mint mond nem ő rá "
        "sem szól van vagy volt",
        # Romanian
        "a al ale am ar ca care ce cel cine cu cum cât când că de despre din după e ea el ele "
        "este eu fi fost în îi la le mai ne nu o pe pentru prin sau se spune sunt și și-a să "
        "său un una unde unei unui va",
        # Turkish
        "ama bir biz bu bunu da daha de değil diye en gibi hangi hangisi hakkında her için ile "
        "ise kadar ki kim kimdir mi mı mu mü nasıl ne neden nedir nerede o olan olarak oldu "
        "olduğu sen siz şu ve veya ya",
        # Indonesian and Malay
        "ada adalah akan apa apakah atau bagaimana bagi bahwa dalam dan dapat dari dengan di "
        "dia ia ini itu juga kami kapan karena ke kepada kita mana mengapa mereka oleh pada "
        "saya sebagai siapa tentang tidak untuk yang",
        # Catalan
        "a al als amb com d de del dels diu el ell els en entre era és ha han hi i l la les li "
        "més no o on pel per perquè però què qual quan que qui quina quins s se seu seva si "
        "són sobre també té un una",
        # Greek
        "από αν από αυτή αυτό αυτός για γιατί δεν είναι είχε ένα ένας η ήταν θα και κατά λέει "
        "με μια μας μου να ο οι όταν όχι ποια ποιες ποιο ποιος που πού πότε πως πώς σε στη στην "
        "στις στο στον στους τα της τη την τι τις το τον του τους των ως",
        # Ukrainian
        "а або але без був була було бути в вам від він вона вони воно до є же з за зі і із й "
        "його її їх коли кого ми на над не немає ні о об по при про та так там те ти то у хто "
        "це ці цей ця чи чому що щоб як яка яке який які я",
    )
)


def stop_words(terms: Collection[str]) -> frozenset[str]:
    """Return the words that say nothing in the language of these terms."""
    best, most = ENGLISH, max(1, len(ENGLISH.intersection(terms)))
    for words in _OTHERS:
        if (found := len(words.intersection(terms))) > most:
            best, most = words, found
    return best
