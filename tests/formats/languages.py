"""Texts of many languages, and the encodings in which each was written before UTF-8."""

# ruff: noqa: E501

from __future__ import annotations

#: Language -> its encodings, a text.
TEXTS = {
    "French": (
        "cp1252 iso8859_15 mac_roman cp850",
        "Élève modèle, elle préférait la forêt à la ville. Où étais-tu ce soir-là ? Ça coûte cher, mon cœur, mais c’était l’été dernier et le château était fermé. Le garçon naïf répondit très poliment qu’il n’avait rien mangé depuis l’aube.",
    ),
    "German": (
        "cp1252 mac_roman cp850",
        "Die Brücke führt über den Fluß. Äpfel und Öl gehören in die Küche; das Mädchen heißt Björn, sagt der Müller. Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Später wurde es schön, und wir fuhren nach Österreich.",
    ),
    "Spanish": (
        "cp1252 mac_roman cp850",
        "El niño comió piña mañana por la mañana. ¿Dónde está la biblioteca? Aquí, señor: más allá del jardín. La cigüeña voló según el árbol, y también cantó una canción en otoño.",
    ),
    "Portuguese": (
        "cp1252 mac_roman cp850",
        "A ação não é fácil: coração, pão e mãe. Você já está à espera há três dias, e o avô também. As lições começam amanhã de manhã no colégio São João.",
    ),
    "Italian": (
        "cp1252 mac_roman cp850",
        "Perché la città è così? Più tardi sarà già mezzanotte. Lunedì andrò al caffè, poiché può darsi che lui non ci sarà. La libertà è una virtù.",
    ),
    "Swedish": (
        "cp1252 mac_roman cp850",
        "Flygande bäckasiner söka hwila på mjuka tuvor. Åsa åt ägg på ön när hösten kom. Vi går över bron och sjunger en vacker sång för far och mor.",
    ),
    "Danish": (
        "cp1252 mac_roman cp850",
        "Høj bly gom vandt fræk sexquiz på wc. Børnene spiste rødgrød med fløde på åen. Så gik de hjem ad den smalle sti og så på de små får på marken.",
    ),
    "Icelandic": (
        "cp1252",
        "Það er gott að vera á Íslandi þegar sólin skín. Kæmi ný öxi hér ykist þjófum nú bæði víl og ádrepa. Hún sagði að hann ætti að koma í dag.",
    ),
    "Polish": (
        "cp1250 iso8859_2 cp852",
        "Zażółć gęślą jaźń. Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem i sumieniem; pójdźże, kiń tę chmurność w głąb flaszy. Łódź płynęła powoli.",
    ),
    "Czech": (
        "cp1250 iso8859_2 cp852 mac_latin2",
        "Příliš žluťoučký kůň úpěl ďábelské ódy. Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Včera večer jsme šli přes řeku a viděli měsíc.",
    ),
    "Slovak": (
        "cp1250 iso8859_2",
        "Všetci ľudia sa rodia slobodní a rovní v dôstojnosti i v právach. Kŕdeľ šťastných ďatľov učí pri ústí Váhu mĺkveho koňa obhrýzať kôru. Dnes večer príde môj otec.",
    ),
    "Hungarian": (
        "cp1250 iso8859_2 cp852",
        "Árvíztűrő tükörfúrógép. Minden emberi lény szabadon születik és egyenlő méltósága és joga van. Az ő felesége tegnap főzött egy jó levest, és később elmentünk a hegyekbe.",
    ),
    "Croatian": (
        "cp1250 iso8859_2",
        "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima. Čovjek je šetao šumom i našao žuti cvijet; kuća je bila već prazna, a đak je učio kraj peći.",
    ),
    "Romanian": (
        "cp1250 iso8859_2",
        "Toate fiinţele umane se nasc libere şi egale în demnitate şi în drepturi. Ele sunt înzestrate cu raţiune şi conştiinţă. Mâine dimineaţă mergem la piaţă să cumpărăm pâine.",
    ),
    "Turkish": (
        "cp1254 iso8859_9 mac_turkish cp857",
        "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler. Pijamalı hasta yağız şoföre çabucak güvendi. Dün akşam İstanbul’da yağmur yağdı.",
    ),
    "Lithuanian": (
        "cp1257",
        "Visi žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis. Įlinkdama fechtuotojo špaga sublykčiojusi pragręžė apvalų arbūzą. Šįvakar mes eisime į teatrą su draugais.",
    ),
    "Latvian": (
        "cp1257",
        "Visi cilvēki piedzimst brīvi un vienlīdzīgi savā pašcieņā un tiesībās. Viņi ir apveltīti ar saprātu un sirdsapziņu. Glāžšķūņa rūķīši dzērumā čiepj Baha koncertflīģeļu vākus.",
    ),
    "Russian": (
        "cp1251 koi8_r cp866 iso8859_5 mac_cyrillic",
        "Мысль изречённая есть ложь. Взрывая, возмутишь ключи, питайся ими и молчи. Все люди рождаются свободными и равными в своём достоинстве и правах. Съешь ещё этих мягких французских булок.",
    ),
    "Ukrainian": (
        "cp1251 koi8_u iso8859_5",
        "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і совістю. Жебракують філософи при ґанку церкви в Гадячі, ще й шатро їхнє п’яне знаємо.",
    ),
    "Bulgarian": (
        "cp1251 iso8859_5",
        "Всички хора се раждат свободни и равни по достойнство и права. Те са надарени с разум и съвест. Вчера вечерта ходихме до реката и видяхме как залязва слънцето.",
    ),
    "Serbian": (
        "cp1251 iso8859_5",
        "Сва људска бића рађају се слободна и једнака у достојанству и правима. Она су обдарена разумом и свешћу. Љубазни фењерџија чађавог лица хоће да ми покаже штос.",
    ),
    "Greek": (
        "cp1253 iso8859_7",
        "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Η αψίδα στέκεται γιατί κάθε πέτρα θέλει να πέσει.",
    ),
    "Hebrew": (
        "cp1255",
        "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון, לפיכך חובה עליהם לנהוג איש ברעהו ברוח של אחווה.",
    ),
    "Arabic": (
        "cp1256",
        "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا بروح الإخاء.",
    ),
    "Thai": (
        "cp874",
        "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม และควรปฏิบัติต่อกันด้วยเจตนารมณ์แห่งภราดรภาพ",
    ),
    "Chinese": (
        "gb18030",
        "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。昨天晚上我们去了河边，看见月亮从山后升起来。",
    ),
    "Chinese (traditional)": (
        "big5",
        "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心，並應以兄弟關係的精神相對待。昨天晚上我們去了河邊，看見月亮從山後升起來。",
    ),
    "Japanese": (
        "shift_jis euc_jp iso2022_jp",
        "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。",
    ),
    "Korean": (
        "euc_kr",
        "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 부여받았으며 서로 형제애의 정신으로 행동하여야 한다.",
    ),
}


#: Encodings of more than one byte a character, and languages that are tried in them.
_WIDE = {
    "utf_16_le": ("German", "Russian", "Greek", "Arabic", "Thai", "Chinese", "Japanese", "Korean"),
    "utf_16_be": ("German", "Russian", "Greek", "Arabic", "Thai", "Chinese", "Japanese", "Korean"),
    "utf_32_le": ("German", "Chinese"),
    "utf_32_be": ("German", "Chinese"),
    "hz": ("Chinese",),
    "iso2022_kr": ("Korean",),
}
#: Family of encodings -> how the names of its members begin.
FAMILIES = {
    "Windows": ("cp125", "cp874"),
    "ISO 8859, KOI8": ("iso8859", "koi8"),
    "DOS": ("cp8",),
    "Macintosh": ("mac",),
    "East Asian": ("gb", "big5", "shift", "euc", "iso2022", "hz"),
    "UTF-16, UTF-32 without mark": ("utf",),
    "mixed or damaged": ("half", "nul"),
}
_LENGTHS = (20, 60, 160)


def family_of(encoding: str) -> str:
    """Return the family that an encoding belongs to."""
    return next(name for name, begins in FAMILIES.items() if encoding.startswith(begins))


def damaged() -> list[tuple[str, str, str, bytes]]:
    """Texts of which half is in UTF-8, and with NULs in and around them; like `samples`."""
    found = []
    for language, (encodings, text) in TEXTS.items():
        encoding = encodings.split()[0]
        old = text.encode(encoding, "ignore")
        line = old.decode(encoding)
        for name, shown, content in (
            ("half utf_8", f"{line}\n{line}", f"{line}\n".encode() + old),
            ("half old", f"{line}\n{line}", old + f"\n{line}".encode()),
            ("nul before", line, b"\0" * 9 + line.encode()),
            ("nul within", line * 2, line.encode() + b"\0" + line.encode()),
        ):
            found.append((language, name, shown, content))
    return found


def samples() -> list[tuple[str, str, str, bytes]]:
    """Language, encoding, text and its bytes: 20, 60 and 160 characters, and some thousand."""
    found = []
    for language, (narrow, text) in TEXTS.items():
        wide = [encoding for encoding, languages in _WIDE.items() if language in languages]
        for encoding in (*narrow.split(), *wide):
            for length in (*_LENGTHS, 8 * len(text)):
                content = f"{text}\n" * 8
                written = content[:length].encode(encoding, "ignore")
                if not written.isascii() or encoding.startswith(("iso2022", "hz", "utf")):
                    shown = written.decode(encoding)
                    found.append((language, encoding, shown, written))
    return found
