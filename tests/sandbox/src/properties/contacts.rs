//! The properties every account has for contacts.

use super::{Computed, Definition, Kind, ModificationMetadata, OptionDefinition, Schema};

const GROUPS: &[(&str, &str)] = &[
    ("contactinformation", "Contact information"),
    ("contact_activity", "Contact activity"),
    ("sales_properties", "Sales properties"),
];

/// Text, number, date and reference properties: name, label, kind, form field, description.
const PLAIN: &[(&str, &str, Kind, &str, &str)] = &[
    ("firstname", "First Name", Kind::Text, "text", "A contact's first name"),
    ("lastname", "Last Name", Kind::Text, "text", "A contact's last name"),
    ("salutation", "Salutation", Kind::Text, "text", "The title used to address a contact"),
    ("email", "Email", Kind::Text, "text", "A contact's email address"),
    ("work_email", "Work email", Kind::Text, "text", "A contact's work email address"),
    ("phone", "Phone Number", Kind::Text, "phonenumber", "A contact's primary phone number"),
    ("mobilephone", "Mobile Phone Number", Kind::Text, "phonenumber", "A contact's mobile phone number"),
    ("fax", "Fax Number", Kind::Text, "text", "A contact's primary fax number"),
    ("company", "Company Name", Kind::Text, "text", "The name of the company a contact works at"),
    ("jobtitle", "Job Title", Kind::Text, "text", "A contact's job title"),
    ("address", "Street Address", Kind::Text, "text", "A contact's street address"),
    ("city", "City", Kind::Text, "text", "A contact's city of residence"),
    ("state", "State/Region", Kind::Text, "text", "A contact's state of residence"),
    ("zip", "Postal Code", Kind::Text, "text", "A contact's postal code"),
    ("country", "Country/Region", Kind::Text, "text", "A contact's country of residence"),
    ("website", "Website URL", Kind::Text, "text", "The contact's website"),
    ("date_of_birth", "Date of birth", Kind::Text, "text", "A contact's date of birth, as they wrote it"),
    ("closedate", "Close Date", Kind::DateTime, "date", "When the contact became a customer"),
    ("numemployees", "Number of Employees", Kind::Number, "number", "How many people work at the contact's company"),
    ("annualrevenue", "Annual Revenue", Kind::Text, "text", "The revenue of the contact's company"),
    ("message", "Message", Kind::Text, "textarea", "What the contact wrote in a form"),
    ("hs_language_notes", "Language notes", Kind::Text, "textarea", "Which languages the contact speaks"),
    ("hs_latest_meeting_activity", "Latest meeting", Kind::DateTime, "date", "When the contact was last met"),
];

/// Properties the server fills: name, label, kind, form field, how.
const SYSTEM: &[(&str, &str, Kind, &str, Computed)] = &[
    ("createdate", "Create Date", Kind::DateTime, "date", Computed::Created),
    ("lastmodifieddate", "Last Modified Date", Kind::DateTime, "date", Computed::Modified),
    ("hs_object_id", "Record ID", Kind::Number, "number", Computed::ObjectId),
    ("hs_merged_object_ids", "Merged record IDs", Kind::Enumeration, "checkbox", Computed::MergedIds),
    ("hs_email_domain", "Email Domain", Kind::Text, "text", Computed::EmailDomain),
    ("hs_full_name_or_email", "Full name or email", Kind::Text, "calculation_equation", Computed::FullNameOrEmail),
];

/// The stages of a contact's life; a contact only moves forward.
const LIFECYCLE: &[(&str, &str)] = &[
    ("subscriber", "Subscriber"),
    ("lead", "Lead"),
    ("marketingqualifiedlead", "Marketing Qualified Lead"),
    ("salesqualifiedlead", "Sales Qualified Lead"),
    ("opportunity", "Opportunity"),
    ("customer", "Customer"),
    ("evangelist", "Evangelist"),
    ("other", "Other"),
];

const LEAD_STATUS: &[(&str, &str)] = &[
    ("NEW", "New"),
    ("OPEN", "Open"),
    ("IN_PROGRESS", "In Progress"),
    ("OPEN_DEAL", "Open Deal"),
    ("UNQUALIFIED", "Unqualified"),
    ("ATTEMPTED_TO_CONTACT", "Attempted to Contact"),
    ("CONNECTED", "Connected"),
    ("BAD_TIMING", "Bad Timing"),
];

const BUYING_ROLES: &[(&str, &str)] = &[
    ("BLOCKER", "Blocker"),
    ("BUDGET_HOLDER", "Budget Holder"),
    ("CHAMPION", "Champion"),
    ("DECISION_MAKER", "Decision Maker"),
    ("END_USER", "End User"),
    ("INFLUENCER", "Influencer"),
];

const YES_NO: &[(&str, &str)] = &[("true", "True"), ("false", "False")];

/// The schema of contacts in a new account.
pub(crate) fn schema(now_ms: i64) -> Schema {
    let mut definitions = Vec::new();
    for (name, label, kind, field_type, description) in PLAIN {
        definitions.push(built_in(name, label, *kind, field_type, description, now_ms));
    }
    for (name, label, kind, field_type, computed) in SYSTEM {
        let mut definition = built_in(name, label, *kind, field_type, "Set by HubSpot", now_ms);
        definition.computed = Some(*computed);
        definition.unique = *computed == Computed::ObjectId;
        definition.metadata.read_only_value = true;
        definitions.push(definition);
    }
    let choice = |name: &str, label: &str, field_type: &str, options| Definition {
        options: choices(options),
        ..built_in(name, label, Kind::Enumeration, field_type, "", now_ms)
    };
    definitions
        .push(Definition { forward_only: true, ..choice("lifecyclestage", "Lifecycle Stage", "radio", LIFECYCLE) });
    definitions.push(choice("hs_lead_status", "Lead Status", "radio", LEAD_STATUS));
    definitions.push(choice("hs_buying_role", "Buying Role", "checkbox", BUYING_ROLES));
    definitions.push(Definition {
        kind: Kind::Bool,
        ..choice("hs_email_optout", "Unsubscribed from all email", "booleancheckbox", YES_NO)
    });
    definitions
        .push(Definition { external_options: true, ..choice("hubspot_owner_id", "Contact owner", "select", &[]) });
    let mut additional = choice("hs_additional_emails", "Additional email addresses", "checkbox", &[]);
    additional.metadata.read_only_value = true;
    definitions.push(additional);
    Schema::new(definitions, GROUPS, Some("email"))
}

fn built_in(name: &str, label: &str, kind: Kind, field_type: &str, description: &str, now_ms: i64) -> Definition {
    Definition {
        name: name.to_owned(),
        label: label.to_owned(),
        kind,
        field_type: field_type.to_owned(),
        description: description.to_owned(),
        group_name: GROUPS[0].0.to_owned(),
        options: Vec::new(),
        unique: false,
        computed: None,
        forward_only: false,
        archived_ms: None,
        external_options: false,
        metadata: ModificationMetadata { archivable: false, read_only_definition: true, read_only_value: false },
        display_order: -1,
        hidden: false,
        form_field: true,
        built_in: true,
        created_ms: now_ms,
        updated_ms: now_ms,
    }
}

fn choices(pairs: &[(&str, &str)]) -> Vec<OptionDefinition> {
    let define = |((value, label), at): (&(&str, &str), i64)| OptionDefinition {
        value: (*value).to_owned(),
        label: (*label).to_owned(),
        description: String::new(),
        display_order: at,
        hidden: false,
    };
    pairs.iter().zip(0..).map(define).collect()
}
