//! Config keys that people and models write for every type and that a design says elsewhere, and types that the catalogue
//! does not have: what to write instead. A key that one type alone is asked for stands in its service file, under `instead`.
//! Texts only.

use super::finding::{Both, both};
use crate::catalog::Service;
use crate::catalog::spelling::bare;

/// (keys, Japanese, English)
const EVERYWHERE: &[(&[&str], &str, &str)] = &[
    (
        &["subnet", "subnet_id", "subnet_ids", "subnet_name", "subnet_ref", "vcn", "vcn_id", "vcn_name", "network", "network_id"],
        "置き場所は config ではなく接続 deployed_in で、サブネットか VCN の部品に向けて示してください",
        "where it stands is a connection: deployed_in, to a component of type subnet or vcn",
    ),
    (
        &["nsg", "nsg_id", "nsg_ids", "network_security_group_ids", "security_group", "security_groups", "ingress_rules", "egress_rules"],
        "規則は接続から作られます。自分の規則を足すなら nsg の部品を加え、attached_to でつないでください",
        "rules are made from connections; for rules of your own add a component of type nsg and connect it with attached_to",
    ),
    (
        &["route_table", "route_table_id", "security_list_ids", "security_list", "security_lists"],
        "ルート表やセキュリティ・リストは部品にして、接続 attached_to でサブネットにつないでください",
        "route tables and security lists are components: connect them with the subnet by attached_to",
    ),
    (
        &["name", "display_name", "label"],
        "名前は config の外の display_name に書いてください",
        "the name stands beside config, as display_name",
    ),
    (
        &["compartment", "compartment_id", "compartment_ocid", "compartment_name", "tenancy_id", "tenancy_ocid"],
        "コンパートメントは部品ではなく設計全体の compartment_id です。省くとサーバーの作業コンパートメントです",
        "the compartment is one for the whole design, compartment_id; the server's work compartment when absent",
    ),
    (&["region"], "リージョンは部品ではなく設計全体の region です", "the region is one for the whole design, region"),
    (
        &["admin_password", "password", "db_password", "adb_admin_password", "wallet_password"],
        "パスワードは Galley が作って隠します。設計には書かないでください",
        "Galley makes passwords and keeps them secret: write none into a design",
    ),
    (&["depends_on", "dependencies"], "順序は接続 depends_on で示してください", "an order is a connection: depends_on"),
    (
        &["tags", "freeform_tags", "defined_tags", "description", "notes", "comment"],
        "この設定はありません。消してください。タグは Galley が付けます",
        "there is no such setting: remove it. Galley tags what it makes",
    ),
    (
        &["count", "instance_count", "replicas", "quantity"],
        "1 つの部品は 1 つです。数だけ部品を並べるか、instance_pool を使ってください",
        "one component is one: write as many components, or take an instance_pool",
    ),
];

/// Types that people name and the catalogue does not have: (types, Japanese, English)
const TYPES: &[(&[&str], &str, &str)] = &[
    (
        &[
            "vpn",
            "site_to_site_vpn",
            "ipsec",
            "ipsec_vpn",
            "ipsec_connection",
            "vpn_connection",
            "fastconnect",
            "virtual_circuit",
            "cpe",
            "on_premises",
            "onpremises",
            "onpremise",
            "datacenter",
        ],
        "VPN、FastConnect とその先は部品にありません。drg と drg_attachment を置き、先の CIDR を remote_cidrs に書くと経路が入ります。回線はコンソールで作ります",
        "VPN, FastConnect and what lies behind them are no components: add a drg and a drg_attachment whose remote_cidrs name the networks there, and they are routed; the line itself is made in the console",
    ),
    (
        &["internet", "user", "users", "client", "external_user", "browser"],
        "インターネットや利用者は部品ではありません。消してください。公開の部品はそれだけで外から届きます",
        "the internet and its users are no components: remove it. What is public is reached from outside by itself",
    ),
    (
        &["region", "availability_domain", "tenancy", "fault_domain"],
        "リージョンや可用性ドメインは部品ではありません。region は設計全体、availability_domain は部品の設定です",
        "regions and availability domains are no components: region is one for the whole design, availability_domain a setting",
    ),
    (
        &["database", "db", "oracle_database"],
        "どのデータベースか選んでください: adb、db_system、mysql、postgresql、nosql",
        "choose which database: adb, db_system, mysql, postgresql, nosql",
    ),
];

/// What to write instead of a service type, when that is known.
pub(super) fn instead_of_type(written: &str) -> Option<Both> {
    let wanted = bare(written);
    let known = TYPES.iter().find(|(types, ..)| types.iter().any(|name| bare(name) == wanted));
    known.map(|(_, ja, en)| both(*ja, *en))
}

/// What to write instead of a key, when that is known.
pub(super) fn instead(service: &Service, key: &str) -> Option<Both> {
    let wanted = bare(key);
    let own = service.instead.iter().find(|(name, _)| bare(name) == wanted).map(|(_, text)| both(text.ja.clone(), text.en.clone()));
    own.or_else(|| {
        let known = EVERYWHERE.iter().find(|(keys, ..)| keys.iter().any(|name| bare(name) == wanted));
        known.map(|(_, ja, en)| both(*ja, *en))
    })
}
