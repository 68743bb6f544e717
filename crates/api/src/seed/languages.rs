//! Products of the seed that are called something in other languages, in eight scripts beside Latin: the shop is in Europe, its
//! suppliers are not.

/// What a product is called and what is said of it, in place of the English that its number would have.
pub(super) struct Wording {
    /// Of the product; its last digit says which category.
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
}

const fn wording(number: u32, name: &'static str, description: &'static str) -> Wording {
    Wording {
        number,
        name,
        description,
    }
}

/// All of them.
pub(super) const WORDINGS: [Wording; 22] = [
    // Korean.
    wording(
        205,
        "무쇠 전기 주전자, 검정",
        "물이 끓으면 저절로 꺼집니다. 온 가족의 아침 식탁에 어울립니다.",
    ),
    wording(
        206,
        "접이식 책상 조명, 흰색",
        "눈이 편안한 빛입니다. 밤늦게 공부하는 사람에게 좋습니다.",
    ),
    wording(
        211,
        "휴대용 무선 헤드폰, 빨강",
        "한 번 충전하면 하루 종일 들을 수 있습니다.",
    ),
    // Japanese.
    wording(
        215,
        "ステンレスのやかん、銀",
        "お湯がすぐに沸きます。ガスでも電気でも使えます。",
    ),
    wording(
        216,
        "和紙のデスクランプ、白",
        "目にやさしい光です。読書にぴったりです。",
    ),
    wording(
        218,
        "ダブルテント、緑",
        "雨の日も安心です。三人で眠れます。",
    ),
    // Chinese.
    wording(225, "紫砂茶壶，红色", "手工制作，泡茶更香。"),
    wording(223, "折叠竹书架，原色", "轻便结实，适合狭窄的走廊。"),
    // Thai.
    wording(235, "กาน้ำชาเซรามิก สีเขียว", "เคลือบสองชั้น ชงชาได้สี่ถ้วย"),
    wording(
        236,
        "โคมไฟตั้งโต๊ะไม้ไผ่ สีธรรมชาติ",
        "แสงนุ่มนวล เหมาะสำหรับอ่านหนังสือ",
    ),
    // Arabic.
    wording(
        245,
        "إبريق شاي نحاسي، أحمر",
        "يحفظ حرارة الشاي طويلًا. هديّة لكل بيت.",
    ),
    wording(
        246,
        "مصباح مكتب قابل للطي، أبيض",
        "ضوء مريح للعينين عند القراءة ليلًا.",
    ),
    // Hebrew.
    wording(255, "קוּמְקוּם חשמלי, כחול", "רותח מהר ונכבה לבד."),
    wording(253, "מדף ספרים מעץ אלון, טבעי", "מתאים למסדרון צר."),
    // Russian.
    wording(
        265,
        "Медный чайник, красный",
        "Закипает быстро и поёт тихо. Для тех, кто любит чай.",
    ),
    wording(
        266,
        "Ёлочная гирлянда, жёлтая",
        "Тёплый свет для долгих зимних вечеров.",
    ),
    // Ukrainian and Belarusian.
    wording(
        270,
        "М'який їжак-нічник, сірий",
        "Їжачок для найменших, зшитий вручну.",
    ),
    wording(
        273,
        "Ваўняная коўдра, белая",
        "Цёплая і лёгкая, для халодных начэй.",
    ),
    // Greek.
    wording(
        285,
        "Κεραμική τσαγιέρα, λευκή",
        "Κρατάει το τσάι ζεστό. Για τέσσερα φλιτζάνια.",
    ),
    wording(
        286,
        "Πτυσσόμενο φωτιστικό γραφείου, μαύρο",
        "Απαλό φως για ανάγνωση τη νύχτα.",
    ),
    // French and German.
    wording(
        295,
        "Théière émaillée en fonte, bleue",
        "Elle garde le thé chaud jusqu'à la dernière tasse.",
    ),
    wording(
        292,
        "Faltbarer Straßenatlas, grün",
        "Für lange Reisen über große Flüsse.",
    ),
];
