use super::answer::{Multistatus, preconditions, read};
use super::href::{Collection, decode, split_origin};
use super::*;

fn multistatus(inner: &str) -> Multistatus {
    let xml = format!(
        r#"<?xml version='1.0' encoding='utf-8'?><multistatus xmlns="DAV:" xmlns:CR="urn:ietf:params:xml:ns:carddav">{inner}</multistatus>"#
    );
    read(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"))
}

#[test]
fn a_sync_answer_of_radicale() {
    let answer = multistatus(
        r#"<sync-token>http://radicale.org/ns/sync/84b0</sync-token>
        <response><href>/user/ab/p0.vcf</href><status>HTTP/1.1 404 Not Found</status></response>
        <response><href>/user/ab/p1.vcf</href><propstat><prop><getetag>"faab"</getetag></prop>
        <status>HTTP/1.1 200 OK</status></propstat></response>"#,
    );
    assert_eq!(answer.sync_token.as_deref(), Some("http://radicale.org/ns/sync/84b0"));
    assert_eq!((answer.members[0].status, answer.members[0].is_found), (Some(404), false));
    assert_eq!(answer.members[1].properties.etag.as_deref(), Some("\"faab\""));
}

#[test]
fn a_description_of_cyrus_with_prefixes_and_two_propstats() {
    let answer = read(
        r#"<D:multistatus xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav" xmlns:CS="http://calendarserver.org/ns/"><D:response>
        <D:href>/dav/addressbooks/user/u/Default/</D:href><D:propstat><D:prop>
        <D:resourcetype><D:collection/><C:addressbook/></D:resourcetype><D:displayname>Personal &amp; &#x41;</D:displayname>
        <D:current-user-principal><D:href>/dav/principals/user/u/</D:href></D:current-user-principal>
        <D:current-user-privilege-set><D:privilege><D:read/></D:privilege><D:privilege><D:write/></D:privilege></D:current-user-privilege-set>
        <D:supported-report-set><D:supported-report><D:report><D:sync-collection/></D:report></D:supported-report></D:supported-report-set>
        <D:sync-token>t1</D:sync-token><CS:getctag>7-1</CS:getctag>
        <C:supported-address-data><C:address-data-type content-type="text/vcard" version="4.0"/></C:supported-address-data>
        </D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop><C:max-resource-size/><C:addressbook-home-set/></D:prop>
        <D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response></D:multistatus>"#,
    );
    let answer = answer.expect("the answer is whole");
    let found = &answer.members[0].properties;
    assert!(found.is_addressbook && answer.members[0].is_found && found.home_sets.is_empty());
    assert_eq!(found.display_name.as_deref(), Some("Personal & A"));
    assert_eq!(found.principal.as_deref(), Some("/dav/principals/user/u/"));
    assert_eq!(found.privileges.as_deref(), Some(&["D:read".to_owned(), "D:write".to_owned()][..]));
    assert_eq!(found.reports.as_deref(), Some(&["D:sync-collection".to_owned()][..]));
    assert_eq!((found.sync_token.as_deref(), found.ctag.as_deref()), (Some("t1"), Some("7-1")));
    assert_eq!(found.card_versions, ["4.0"]);
}

#[test]
fn cards_come_through_text_references_and_cdata() {
    for data in [
        "BEGIN:VCARD&#13;\nFN:A &lt;b&gt; &amp;&#13;\nEND:VCARD&#13;\n",
        "<![CDATA[BEGIN:VCARD\r\nFN:A <b> &\r\nEND:VCARD\r\n]]>",
    ] {
        let answer = multistatus(&format!(
            "<response><href>/a.vcf</href><propstat><prop><getetag>W/\"1\"</getetag><CR:address-data>{data}</CR:address-data></prop>\
             <status>HTTP/1.1 200 OK</status></propstat></response>"
        ));
        let text = answer.members[0].properties.address_data.as_deref().unwrap_or_default();
        assert_eq!(text.replace('\r', ""), "BEGIN:VCARD\nFN:A <b> &\nEND:VCARD\n");
    }
}

#[test]
fn a_truncated_answer_of_google_says_507_for_the_collection() {
    let answer = multistatus(
        "<response><href>/ab/</href><status>HTTP/1.1 507 Insufficient Storage</status><error><number-of-matches-within-limits/></error>\
         </response><sync-token>t2</sync-token>",
    );
    assert_eq!((answer.members[0].status, answer.sync_token.as_deref()), (Some(507), Some("t2")));
}

#[test]
fn what_is_no_multistatus_is_an_error_and_never_a_panic() {
    for xml in ["", "<html/>", "<multistatus", "not xml", "<multistatus xmlns='DAV:'></x>", "<a>&#xFFFFFFFF;</a>"] {
        assert!(read(xml).is_err(), "{xml:?}");
    }
    let deep = "<a>".repeat(100_000);
    assert!(read(&deep).is_err());
}

#[test]
fn preconditions_are_read_by_namespace() {
    let body = r#"<?xml version="1.0"?><D:error xmlns:D="DAV:" xmlns:x="urn:ietf:params:xml:ns:carddav"><x:no-uid-conflict>
        <D:href>/ab/other.vcf</D:href></x:no-uid-conflict></D:error>"#;
    assert_eq!(preconditions(body), (vec!["C:no-uid-conflict".to_owned()], vec!["/ab/other.vcf".to_owned()]));
    assert_eq!(preconditions("Access to the requested resource forbidden."), (vec![], vec![]));
}

#[test]
fn members_are_named_by_their_path_in_the_collection() {
    let collection = Collection::new("https://dav.example/u%40x/ab?x=1");
    assert_eq!(collection.address(), "https://dav.example/u%40x/ab/");
    assert_eq!(collection.member("a.vcf"), "https://dav.example/u%40x/ab/a.vcf");
    assert_eq!(collection.href("a.vcf"), "/u%40x/ab/a.vcf");
    for (href, id) in [
        ("/u@x/ab/a%20b.vcf", Some("a%20b.vcf")),
        ("https://other.example/u%40x/ab/a.vcf", Some("a.vcf")),
        ("/u%40x/ab/sub/a.vcf", Some("sub/a.vcf")),
        ("/principals/alias/a.vcf", Some("a.vcf")),
        ("/u%40x/ab/", None),
        ("/u@x/ab", None),
        ("/u@x/ab/sub/", None),
        ("", None),
    ] {
        assert_eq!(collection.id(href).as_deref(), id, "{href}");
    }
    for forms in [
        &["a%40b.vcf", "a@b.vcf", "%61@b.vcf"][..],
        &["M%c3%bc%20%28x%29.vcf", "M%C3%BC%20(x).vcf", "Mü (x).vcf"],
        &["a%2Fb.vcf", "a%2fb.vcf"],
        &["a/b.vcf", "%61/b.vcf"],
        &["%FF%zz.vcf", "%ff%25zz.vcf"],
    ] {
        let ids: Vec<_> = forms.iter().map(|form| collection.id(&format!("/u@x/ab/{form}"))).collect();
        assert!(ids.iter().all(|id| id.is_some() && *id == ids[0]), "one card has one id: {ids:?}");
        let id = ids[0].as_deref().unwrap_or_default();
        assert_eq!(collection.id(&collection.href(id)).as_deref(), Some(id), "what is asked for is what was listed");
        assert_eq!(decode(&collection.href(id)), decode(&format!("/u@x/ab/{}", forms[0])), "and it is the same card");
    }
    assert_eq!(decode("a%C3%A9%zz%"), "aé%zz%");
    assert_eq!(split_origin("https://h:1"), ("https://h:1", "/"));
}

#[test]
fn what_is_asked_is_well_formed_and_never_limited() {
    let queries = [
        describe("0"),
        feed_state(),
        etags(),
        times(),
        changes_since("a<b>&\""),
        multiget(&["/a&b.vcf", "/c<d.vcf"]),
        query("EMAIL", &["a&b@x.org"]),
    ];
    for Query { body, .. } in queries {
        // It is no multistatus, but the whole of it must be readable.
        assert!(matches!(read(&body), Err(answer::AnswerError::NotMultistatus)), "{body}");
        assert!(!body.contains("limit"), "{body}");
    }
}
