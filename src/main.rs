fn main() {
    for crd in galley::api::crds() {
        println!("---\n{}", serde_saphyr::to_string(&crd).unwrap());
    }
}
